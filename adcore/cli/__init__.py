"""The ``adcore`` command: one module per command, imported when it is used."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn, TextIO

from adcore.errors import AdcoreWarning, UserError
from adcore.suggestions import did_you_mean

COMMANDS = {
    "run": "Carry out a recipe: train, fit the contexts, test, report.",
    "check": "Validate a recipe and its data, and print what would run.",
    "predict": "Judge images with a trained model.",
    "spot": "Compare images with golden samples; nothing is trained, no model is needed.",
    "group": "Sort what a model finds anomalous in images by kind.",
    "context": "Add, extend, merge, list, show, rename or remove the contexts of a model.",
    "plugins": "List the installed components, or explain one.",
    "new": "Write a component of your own: a distribution that works, ready to be changed.",
    "completion": "Print a script that completes adcore's command line in bash or zsh.",
    "demo": "Write the built-in demo images to a folder.",
    "sheet": "Draw a contact sheet of a data set, or of what synthesizers make of normal images.",
}
"""The first docstring line of each command's module, repeated here so that ``--help`` imports none of them."""

OK, BUG, USER_ERROR, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141


class Parser(argparse.ArgumentParser):
    """Reports what is wrong as a `UserError`."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise UserError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments; those of the process if None.

    Returns:
        The exit code: 0 done, 2 the user's to mend, 130 interrupted, 1 a bug or what ``plugins --check`` found.
    """
    _share_cores()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = _dispatch(sys.argv[1:] if argv is None else list(argv))
            sys.stdout.flush()
            return code
    except UserError as error:
        print(f"adcore: error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception:
        traceback.print_exc()
        print("adcore: this is a bug; please report the lines above and the recipe or command", file=sys.stderr)
        return BUG


def _share_cores() -> None:
    """Let torch's threads wait for one another asleep after 3000 idle turns, unless the user has set how they wait.

    By default they turn for milliseconds: on two cores beside one other busy process a network then takes twenty times
    as long, with this three times. Undisturbed this costs a tenth. Has to come before torch is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")


def _dispatch(argv: list[str]) -> int:
    parser = Parser(prog="adcore", description=_description(), allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    chosen = next((argument for argument in argv if not argument.startswith("-")), None)
    module = _module(chosen) if chosen else None
    subparsers = {name: commands.add_parser(name, help=line, allow_abbrev=False) for name, line in COMMANDS.items()}
    overrides: list[str] = []
    if chosen and module:
        subparser = subparsers[chosen]
        subparser.description = module.__doc__
        subparser.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
        if subparser.get_default("overrides") is not None:
            from adcore.overrides import split

            overrides, argv = split(argv, subparser._option_string_actions)
    args, extra = parser.parse_known_args(argv)
    if args.version:
        from adcore import __version__

        print(f"adcore {__version__}")
        return OK
    if extra:
        used = subparsers.get(args.command, parser)
        known = [option for option in used._option_string_actions if option.startswith("--")]
        raise UserError(f"unexpected {extra[0]}{did_you_mean(extra[0], known)}; see {used.prog} --help")
    if not args.command:
        parser.print_help()
        return OK
    if overrides:
        args.overrides = overrides
    return int(args.run(args))


def _module(command: str) -> ModuleType:
    if command not in COMMANDS:
        raise UserError(f"no command {command!r} (there are {', '.join(COMMANDS)}){did_you_mean(command, COMMANDS)}")
    return importlib.import_module(f"adcore.cli.{command}")


def _description() -> str | None:
    import adcore

    return adcore.__doc__


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if issubclass(category, AdcoreWarning):
        print(f"adcore: warning: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=sys.stderr)
