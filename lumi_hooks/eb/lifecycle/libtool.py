# SPDX-License-Identifier: GPL-2.0-only
"""
Libtool scripts that know nothing of the Fortran compiler behind ftn, and are told.

Configure asks a compiler whether it is GNU's, and knows others by their command's name, which is ftn here. For what it
does not know it leaves two words of its script empty: how an option reaches the linker (wl), and how position
independent code is made (pic_flag). ftn is then handed --whole-archive, which it rejects.
"""
import os
import re
from typing import Iterator, Mapping

from easybuild.base import fancylogger
from easybuild.tools.build_log import print_msg
from easybuild.tools.config import build_option

from ...releases import compiler_family, load_toolchains

# the part of a script that is for a Fortran compiler
_TAG = re.compile(r'(?ms)^# ### BEGIN LIBTOOL TAG CONFIG: (?:F77|FC)$.*?^# ### END LIBTOOL TAG CONFIG: (?:F77|FC)$')

_log = fancylogger.getLogger('lumi_hooks.libtool', fname=False)


def complete(app) -> None:
    """After configure: write the words that are missing into the scripts of a build, and say so."""
    toolchain = load_toolchains()['toolchains'].get(app.toolchain.name)
    words = compiler_family(toolchain['family']).get('libtool') if toolchain else None
    if not words or app.dry_run:
        return
    for path in _scripts(app.builddir):
        with open(path, encoding='utf-8', errors='surrogateescape') as file:
            before = file.read()
        after = with_words(before, words)
        if after != before:
            # in place, as the script stays executable
            with open(path, 'w', encoding='utf-8', errors='surrogateescape') as file:
                file.write(after)
            print_msg(f'lumi-hooks: told {os.path.relpath(path, app.builddir)} of the options of ftn '
                      f'({", ".join(words.values())}), which configure does not know', log=_log,
                      silent=build_option('silent'))


def with_words(text: str, words: Mapping[str, str]) -> str:
    """
    A libtool script with words where its Fortran parts have none.

    :param words: variable of the script -> value
    """
    def told(part: str) -> str:
        for name, value in words.items():
            part = re.sub(rf'(?m)^{name}=(?:""|\'\')?$', f'{name}="{value}"', part)
        return part

    return _TAG.sub(lambda found: told(found.group()), text)


def _scripts(folder: str) -> Iterator[str]:
    for root, _, names in os.walk(folder):
        path = os.path.join(root, 'libtool')
        if 'libtool' in names and os.path.isfile(path) and not os.path.islink(path):
            yield path
