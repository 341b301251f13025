"""What users see when a command cannot do what they ask: one line, and exit code 2."""

from __future__ import annotations

import functools
import io
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from shac.errors import ShacError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["OneLineErrors", "explains_errors", "needs", "warnings_as_lines"]

EXIT_CODE = 2


class OneLineErrors(click.Group):
    """A group whose errors are one line on standard error, without the usage text that click puts before them."""

    def main(self, args: Any = None, *others: Any, **extra: Any) -> Any:
        # The base class has overloads for either value of standalone_mode, and Any stands for none of them
        run: Callable[..., Any] = super().main
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # names and errors are in the letters of the user
        if not extra.pop("standalone_mode", True):
            return run(args, *others, standalone_mode=False, **extra)
        try:
            result = run(args, *others, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(EXIT_CODE)
        except click.ClickException as error:
            click.echo(f"shac: error: {' '.join(error.format_message().split())}", err=True)
            sys.exit(EXIT_CODE)
        except click.Abort:
            click.echo("shac: stopped", err=True)
            sys.exit(130)
        sys.exit(result if isinstance(result, int) else 0)


def explains_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the errors that a user's files and numbers cause into one line.

    Parameters
    ----------
    command : callable
        The body of a command.

    Returns
    -------
    callable
    """

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except BrokenPipeError:
            raise  # whoever reads the output has had enough, which click knows how to end
        except (ShacError, ValueError, OSError) as error:
            raise click.UsageError(str(error)) from error

    return run


def needs(package: str, extra: str, purpose: str) -> None:
    """Raise an error that says what to install, unless a package is there.

    Parameters
    ----------
    package : str
        Name to import.
    extra : str
        The extra of this package that brings it.
    purpose : str
        What needs it.

    Raises
    ------
    click.UsageError
        If the package is missing.
    """
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise click.UsageError(f"{purpose}: pip install 'shac[{extra}]'")


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Write warnings within a ``with`` block to standard error when they come, a line each."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: click.echo(f"shac: warning: {message}", err=True)
        yield
