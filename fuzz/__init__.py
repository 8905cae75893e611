"""Hostile input on purpose: every parser of bytes or text from outside, fed by a coverage-guided fuzzer.

    make fuzz MINUTES=n [TARGET=name]      or: python -m fuzz --help

A target names a parser, the only errors that it may raise, and its bounds. Its corpus, inputs that reach
different lines, is a file of Python bytes literals in `corpus/`, one a line, which the unit tests run, too.
"""
