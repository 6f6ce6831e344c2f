from . import parcels
from .stamps import reexported
