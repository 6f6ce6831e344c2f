"""The simulator: real clients, workers and store logic on one thread, in virtual time, with faults by seed.

What happens in it depends on its seed and the code alone, so whatever it shows, it shows again.
"""

from refold_adapters.simulation.errors import SimulationError
from refold_adapters.simulation.link import Faults
from refold_adapters.simulation.simulation import Simulation

__all__ = ["Faults", "Simulation", "SimulationError"]
