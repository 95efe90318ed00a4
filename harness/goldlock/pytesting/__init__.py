"""The parts of the pytest plugin; each is imported when a test run first needs it."""
