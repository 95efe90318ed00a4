"""goldlock: is this still the same model in the same environment, and if not, what changed?"""

__version__ = "0.1.0"
