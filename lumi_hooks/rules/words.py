# SPDX-License-Identifier: GPL-2.0-only
"""Words of GNU's compilers in a recipe's own commands and options, where others stand here."""
import re

from ..change import Change
from ..releases import compiler_family, load_toolchains
from ..site import Site
from .base import rule
from .draft import Draft
from .texts import in_commands

# a compiler as the whole value of a variable or an option that names one
_GNU = re.compile(r'(?<!\w)((?:CC|CXX|FC|F77|F90)=|(?:-D)?CMAKE_(?:C|CXX|Fortran)_COMPILER=)(gcc|g\+\+|gfortran)'
                  r'(?=[\s"\']|$)')
_WRAPPERS = {'gcc': 'cc', 'g++': 'CC', 'gfortran': 'ftn'}


# toolchainopts are the toolchain's to put into words
TOOLCHAINS = ('toolchainopts',)


@rule('compiler-names', 'the compilers are cc, CC and ftn here',
      link='https://docs.lumi-supercomputer.eu/development/compiling/prgenv/')
def compiler_names(draft: Draft, site: Site):
    """gcc, g++ and gfortran as the compiler that a build is told to take become the wrappers."""
    if '=g' not in draft.recipe.text:
        return

    def change(text: str) -> str:
        return _GNU.sub(lambda found: found.group(1) + _WRAPPERS[found.group(2)], text)

    for name, before, after in in_commands(draft, change, TOOLCHAINS):
        yield Change(name, before, after, 'compiler-names', 'GNU\'s compilers by name know neither the target nor '
                     'Cray\'s libraries', compiler_names.link)


@rule('fortran-words', 'options of gfortran are translated for the other Fortran compilers',
      link='https://gcc.gnu.org/onlinedocs/gfortran/Fortran-Dialect-Options.html')
def fortran_words(draft: Draft, site: Site):
    """
    In commands and options that the recipe gives; in toolchainopts the toolchain does it. A text that calls gfortran
    itself stays as it is.
    """
    words = compiler_family(load_toolchains()['toolchains'][site.toolchain]['family']).get('gfortran')
    if not words:
        return
    pattern = re.compile(rf'(?<![\w/-])({"|".join(map(re.escape, words))})(?![\w=-])')

    def change(text: str) -> str:
        return text if re.search(r'\bgfortran\b', text) else pattern.sub(lambda found: words[found.group(1)], text)

    for name, before, after in in_commands(draft, change, TOOLCHAINS):
        yield Change(name, before, after, 'fortran-words', f'{site.toolchain}\'s Fortran compiler does not know '
                     'options of gfortran', fortran_words.link)
