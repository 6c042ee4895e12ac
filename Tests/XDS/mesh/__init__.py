"""The parts of Tests/XDS/run.py."""
