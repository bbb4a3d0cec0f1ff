"""The errors that a user can cause: entry points print them as one line and exit with 2."""


class SiammaeError(Exception):
    """Something outside the code is wrong; the message says what, where and what would be right."""


class ConfigError(SiammaeError):
    """A setting has a wrong type, range or combination."""


class TrainingError(SiammaeError):
    """A training run cannot go on, though its settings and files are valid."""


class DataError(SiammaeError):
    """A file or folder cannot be used."""
