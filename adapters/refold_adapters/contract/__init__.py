"""The contract of a store, as tests: every store in this package passes them, and one of your own should too.

Subclass :class:`StoreContract` in a test module and say how a store is made::

    class TestMyStore(StoreContract):
        def make_store(self, clock):
            return MyStore(..., clock=clock)

Any runner that knows xunit-style classes will do; with pytest, put
``pytest.register_assert_rewrite("refold_adapters.contract")`` before the import to see both sides of a failed comparison.
"""

from refold_adapters.contract.administration import AdministrationContract
from refold_adapters.contract.base import StoreHarness
from refold_adapters.contract.batches import BatchContract
from refold_adapters.contract.boundaries import BoundaryContract
from refold_adapters.contract.builds import BuildContract
from refold_adapters.contract.claims import ClaimContract
from refold_adapters.contract.conditions import ConditionContract
from refold_adapters.contract.fences import FenceContract
from refold_adapters.contract.inbox import InboxContract
from refold_adapters.contract.listing import ListingContract
from refold_adapters.contract.once import OnceContract
from refold_adapters.contract.relays import RelayContract
from refold_adapters.contract.removal import RemovalContract
from refold_adapters.contract.runs import RunContract
from refold_adapters.contract.sessions import SessionContract
from refold_adapters.contract.tasks import TaskContract
from refold_adapters.contract.turns import TurnContract

__all__ = ["StoreContract", "StoreHarness"]


class StoreContract(
    TurnContract,
    SessionContract,
    ClaimContract,
    InboxContract,
    TaskContract,
    RunContract,
    RelayContract,
    ListingContract,
    BatchContract,
    AdministrationContract,
    BuildContract,
    ConditionContract,
    RemovalContract,
    OnceContract,
    FenceContract,
    BoundaryContract,
):
    """Everything that is promised of a store; subclass it and define ``make_store``."""

    @classmethod
    def cases(cls) -> list[str]:
        """The names of all cases, in alphabetical order: what a store that passes has been held to."""
        return [name for name in dir(cls) if name.startswith("test_")]
