"""Parsers of commands' arguments, and the types of their options."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError


def command_parser(command: str, description: str) -> ArgumentParser:
    """Returns a parser without options for a command, or for the node where the name is empty."""
    return ArgumentParser(prog=f"l7proxy {command}".strip(), description=description)


def positive_number(text: str) -> int:
    """Returns the whole number above 0 in an option's text; raises `ArgumentTypeError`."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"{text} is not a whole number above 0")
    return number


def seconds(text: str) -> float:
    """Returns the number of seconds, 0 or more, in an option's text.

    Raises `ArgumentTypeError` where there is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise ArgumentTypeError(f"{text} is not a number of seconds")
    return number
