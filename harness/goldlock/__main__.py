"""`python -m goldlock`, and where the installed command begins."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    # Until its own handlers stand, Ctrl-C during an import ends the process without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from goldlock import cli

    cli.main()


if __name__ == "__main__":
    main()
