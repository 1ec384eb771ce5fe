# SPDX-License-Identifier: GPL-2.0-only
"""Amounts for reading: sizes, and how many there are of something."""


def size_in_words(number: float) -> str:
    """
    Bytes for reading, in decimal units.

    >>> size_in_words(20_400_000), size_in_words(2_400_000_000)
    ('20 MB', '2.4 GB')
    """
    for unit in ('bytes', 'kB', 'MB'):
        if number < 1000:
            return f'{number:.0f} {unit}' if unit == 'bytes' or number >= 10 else f'{number:.1f} {unit}'
        number /= 1000
    return f'{number:,.0f} GB' if number >= 10 else f'{number:.1f} GB'


def count_in_words(number: int, thing: str) -> str:
    """
    How many there are of something, for reading.

    >>> count_in_words(1, 'module'), count_in_words(2300, 'file'), count_in_words(0, 'error')
    ('1 module', '2,300 files', 'no errors')
    """
    return f'{f"{number:,}" if number else "no"} {thing}{"" if number == 1 else "s"}'
