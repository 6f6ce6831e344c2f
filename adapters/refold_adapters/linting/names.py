"""Names of the standard library, and of some others, that workflow code must not use.

One rule: a name is here only if using it is a mistake in every workflow.  ``f()`` in a name stands for what a call of ``f`` gives, so that
``pathlib.Path().exists`` is the method of an object.
"""

from __future__ import annotations

from attrs import frozen

from refold_adapters.linting.rules import RULES, words


@frozen
class Verdict:
    """Why a name must not be used, and what to use instead."""

    code: str
    fix: str


def _table(code: str, module: str, names: str, fix: str | None = None) -> dict[str, Verdict]:
    verdict = Verdict(code, fix or RULES[code].fix)
    return {f"{module}.{name}": verdict for name in names.split()}


_UUID = "use `yield from uuid4()`, of refold"
_SLEEP = "use `yield from sleep(timedelta(...))`, of refold"

#: Names that must not be used, called or not.
NAMES: dict[str, Verdict] = {
    **_table("RFL101", "time", "time time_ns", "use `(yield from now()).timestamp()`"),
    **_table(
        "RFL101",
        "time",
        "monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time thread_time_ns",
        "take the difference of two `yield from now()`",
    ),
    **_table("RFL101", "time", "clock_gettime clock_gettime_ns localtime gmtime ctime asctime strftime"),
    **_table("RFL101", "time", "sleep", _SLEEP),
    **_table("RFL101", "datetime.datetime", "now utcnow today"),
    **_table("RFL101", "datetime.date", "today", "use `(yield from now()).date()`"),
    **_table("RFL101", "pendulum", "now today tomorrow yesterday"),
    **_table("RFL101", "arrow", "now utcnow"),
    **_table("RFL101", "django.utils.timezone", "now localtime localdate"),
    **_table("RFL102", "os", "urandom getrandom", "use `(yield from random())`, or make keys in an activity"),
    **_table("RFL102", "uuid", "uuid1 uuid4 uuid6 uuid7 uuid8 getnode", _UUID),
    **_table("RFL103", "os", "environ environb getenv getenvb putenv unsetenv getpid getppid getuid getgid"),
    **_table(
        "RFL103",
        "os",
        "getcwd getcwdb getlogin uname cpu_count process_cpu_count getloadavg times umask chdir",
    ),
    **_table("RFL103", "sys", "argv executable stdin"),
    **_table("RFL103", "getpass", "getuser getpass"),
    **_table("RFL104", "builtins", "id hash"),
    **_table("RFL201", "builtins", "open"),
    **_table("RFL201", "io", "open open_code FileIO"),
    **_table(
        "RFL201",
        "os",
        "open read write close fsync pipe stat lstat fstat access listdir scandir walk fwalk mkdir makedirs rmdir removedirs "
        "remove unlink rename renames replace link symlink readlink chmod chown truncate utime mkfifo statvfs sync",
    ),
    **_table(
        "RFL201",
        "os.path",
        "exists lexists isfile isdir islink ismount getsize getmtime getatime getctime realpath abspath samefile expanduser",
    ),
    **_table("RFL201", "pathlib.Path", "cwd home"),
    **_table("RFL202", "urllib.request", "urlopen urlretrieve Request"),
    **_table("RFL202", "sqlalchemy", "create_engine"),
    **_table(
        "RFL203",
        "os",
        "system popen fork forkpty execl execle execlp execv execve execvp execvpe spawnl spawnle spawnlp spawnv spawnve spawnvp "
        "posix_spawn posix_spawnp kill killpg wait waitpid abort _exit",
    ),
    **_table("RFL204", "builtins", "print"),
    **_table("RFL204", "builtins", "input breakpoint", "let somebody answer by a signal or an update"),
    **_table("RFL204", "sys", "stdout stderr __stdout__ __stderr__"),
    **_table("RFL204", "pprint", "pprint pp"),
    **_table("RFL204", "rich", "print"),
    **_table("RFL204", "click", "echo secho"),
    **_table("RFL204", "warnings", "warn warn_explicit"),
    **_table("RFL204", "traceback", "print_exc print_exception print_stack"),
    **_table("RFL402", "contextvars.ContextVar()", "get set reset"),
}

#: Names that are wrong only with no more than so many arguments: with more they are told what they would read.
FEW_ARGUMENTS = {
    "time.localtime": 0,
    "time.gmtime": 0,
    "time.ctime": 0,
    "time.asctime": 0,
    "time.strftime": 1,
    "random.Random": 0,
}

#: Modules of which nothing may be called.
MODULES: dict[str, Verdict] = {
    **{f"{name}": Verdict("RFL102", RULES["RFL102"].fix) for name in ("random", "secrets", "numpy.random")},
    **{name: Verdict("RFL103", RULES["RFL103"].fix) for name in ("platform", "locale")},
    **{
        name: Verdict("RFL201", RULES["RFL201"].fix)
        for name in (
            "shutil",
            "tempfile",
            "glob",
            "fileinput",
            "mmap",
            "fcntl",
            "sqlite3",
            "dbm",
            "shelve",
            "linecache",
        )
    },
    **{
        name: Verdict("RFL202", RULES["RFL202"].fix)
        for name in (
            *(
                "socket",
                "ssl",
                "select",
                "selectors",
                "socketserver",
                "http.client",
                "smtplib",
                "ftplib",
                "imaplib",
            ),
            *(
                "poplib",
                "telnetlib",
                "xmlrpc.client",
                "requests",
                "httpx",
                "aiohttp",
                "urllib3",
                "boto3",
                "botocore",
            ),
            *(
                "psycopg",
                "psycopg2",
                "asyncpg",
                "pymysql",
                "pymongo",
                "redis",
                "grpc",
                "paramiko",
                "websockets",
                "kafka",
            ),
        )
    },
    **{name: Verdict("RFL203", RULES["RFL203"].fix) for name in ("subprocess", "pty", "multiprocessing")},
    **{name: Verdict("RFL204", RULES["RFL204"].fix) for name in ("loguru.logger", "structlog.get_logger()")},
    **{
        name: Verdict("RFL301", RULES["RFL301"].fix)
        for name in ("threading", "_thread", "concurrent.futures")
    },
    **{name: Verdict("RFL302", RULES["RFL302"].fix) for name in ("asyncio", "trio", "anyio")},
}

_LOGGERS = ("logging", "logging.getLogger()", "logging.Logger()", "logging.LoggerAdapter()")
_LOGGED = words("debug info warning warn error exception critical fatal log")
_PATHS = ("pathlib.Path()", "pathlib.PosixPath()", "pathlib.WindowsPath()")
_FILE_METHODS = words(
    "read_text read_bytes write_text write_bytes open exists is_file is_dir is_symlink mkdir rmdir unlink rename replace touch stat "
    "lstat iterdir glob rglob walk chmod symlink_to hardlink_to readlink resolve absolute expanduser samefile owner group"
)


def verdict_on(name: str, arguments: int | None) -> Verdict | None:
    """What is wrong with using a name; ``arguments`` is how many it is called with, and None where it is not called."""
    few = FEW_ARGUMENTS.get(name)
    if few is not None and arguments is not None and arguments > few:
        return None
    if name in NAMES:
        return NAMES[name]
    inner, _, last = name.rpartition(".")
    if last in _LOGGED and inner.startswith(_LOGGERS):
        return Verdict("RFL204", RULES["RFL204"].fix)
    if last in _FILE_METHODS and inner.startswith(_PATHS):
        return Verdict("RFL201", RULES["RFL201"].fix)
    return _verdict_on_module(name, last, arguments)


def _verdict_on_module(name: str, last: str, arguments: int | None) -> Verdict | None:
    """Only calls count, or functions that are handed on: a module's exceptions, types and constants do no harm."""
    if last.endswith(("Error", "Exception", "Warning")) or (arguments is None and not last.islower()):
        return None
    if name.startswith("random.Random()."):  # its seed decides; see ``checking`` for one that runs share
        return None
    at = name.find(".")
    while at > 0:
        if name[:at] in MODULES:
            return MODULES[name[:at]]
        at = name.find(".", at + 1)
    return None
