# SPDX-License-Identifier: GPL-2.0-only
"""Words of GNU's compilers in a recipe's own commands and options, where others stand here."""
import re
from functools import partial
from typing import Iterator, Optional

from .. import sites
from ..change import Change
from ..releases import compiler_family, load_provided, load_toolchains
from ..site import Site
from .base import rule
from .draft import Draft
from .easyblock import class_name
from .texts import in_commands, left_out, options_with

# a compiler as the first word of what a variable or an option is given, with a version or without; not a preprocessor
# (of sed's words the new ones)
_GNU = re.compile(r'(?<!\w)(?<!\bs[/|@#,])'
                  r'((?:CC|CXX|FC|F77|F90|F95|LD|LINKER)=|(?:-D)?CMAKE_(?:C|CXX|Fortran)_COMPILER=|'
                  r'--(?:with-)?(?:cc|cxx|fc|f77|f90|fortran|ld)=)(["\']?)(gcc|g\+\+|gfortran)(?:-\d+)?(?=[\s"\']|[/|@#,][gI]*["\';]|$)')
# GCC by its folder: nothing of the kind is installed, and the system's own is another one
_IN_FOLDER = re.compile(r'\$\{?EBROOTGCC(?:CORE)?\}?/bin/(gcc|g\+\+|gfortran)(?![\w.+-])')
# without it there is nothing to look for
_HINT = re.compile(r'=["\']?g|EBROOTGCC')
_WRAPPERS = {'gcc': 'cc', 'g++': 'CC', 'gfortran': 'ftn'}
# the processor of the machine that builds, which is a login node's
_NATIVE = re.compile(r'(?<![\w-])(?<!\bs/)-m(?:arch|tune|cpu)=native(?![\w-])')
# where a name has to stand: rustc's option, and pocl's for the LLVM that compiles its kernels
_NATIVE_OF_LLVM = re.compile(r'(target-cpu|LLC_HOST_CPU)=native(?![\w-])')


# options for the Fortran compiler: the value of a variable of configure, make or CMake, in quotes or one word
_FORTRAN = re.compile(r'((?<!\w)(?:\w*(?:FC|F|F77|F90|F95)FLAGS|(?:-D)?\w*Fortran_FLAGS\w*(?::\w+)?|'
                      r'(?:MPI)?(?:FC|F77|F90))\+?=)(?:(["\'])(.*?)\2|([^\s"\']+))', re.S)
# gfortran itself is started; SYSTEM=gfortran chooses a part of a makefile, in which a variable names the compiler
_CALLED = re.compile(r'(?<![=\w])gfortran\b')
# the same of a recipe's toolchainopts
_FORTRAN_OPTIONS = ('extra_fflags', 'extra_fcflags', 'extra_f90flags')

# toolchainopts are the toolchain's to put into words
TOOLCHAINS = ('toolchainopts',)


@rule('compiler-names', 'the compilers are cc, CC and ftn here',
      link=sites.link('compilers'))
def compiler_names(draft: Draft, site: Site):
    """gcc, g++ and gfortran as the compiler that a build is told to take become the wrappers."""
    if not _HINT.search(draft.recipe.text):
        return

    def change(text: str) -> str:
        text = _IN_FOLDER.sub(lambda found: f'$(which {_WRAPPERS[found.group(1)]})', text)
        return _GNU.sub(lambda found: found.group(1) + found.group(2) + _WRAPPERS[found.group(3)], text)

    for name, before, after in in_commands(draft, change, TOOLCHAINS):
        yield Change(name, before, after, 'compiler-names', 'GNU\'s compilers by name know neither the target nor '
                     'Cray\'s libraries', compiler_names.link)


@rule('native-target', 'the target modules choose the processor, not the node that builds',
      link=sites.link('compilers'))
def native_target(draft: Draft, site: Site):
    """
    -march=native, -mtune=native and -mcpu=native go, in toolchainopts too: the login nodes' processor is another. An
    easyblock that looks at the processor is told the partition's, as are rustc and LLVM where the recipe says native.
    """
    yield from _processor(draft, site)
    if '=native' not in draft.recipe.text:
        return
    target = processor(site, 'llvm') or 'native'

    def change(text: str) -> str:
        return _NATIVE_OF_LLVM.sub(rf'\1={target}', left_out(_NATIVE, text))

    for name, before, after in in_commands(draft, change):
        yield Change(name, before, after, 'native-target', f'the wrappers compile for partition {site.partition} by '
                     'its target module, and native is the processor of the node that builds', native_target.link)


def processor(site: Site, words: str) -> Optional[str]:
    """
    The processor of the site's partition; None where its target modules are not known.

    :param words: whose name for it (provided.json, processors): blis, kokkos, llvm
    """
    known = (load_provided()['processors'].get(target) for target in site.partition_facts['targets'])
    return next((names[words] for names in known if names), None)


def _processor(draft: Draft, site: Site) -> Iterator[Change]:
    """The parameter of an easyblock that looks at the processor of the building node, where a recipe names none."""
    easyblock = draft.parameters.get('easyblock') or class_name(draft.name)
    for entry in load_provided()['processor_parameters']:
        before, after = draft.parameters.get(entry['parameter']), processor(site, entry['words'])
        option = entry.get('option')
        if not after or draft.name != entry.get('package', draft.name) \
                or easyblock != entry.get('easyblock', easyblock):
            continue
        if option:
            after = options_with(before, partial(_with_option, option, after))
        if after != before and (option or before in (None, '', 'auto')):
            yield Change(entry['parameter'], before, after, 'native-target', 'it is the processor of partition '
                         f'{site.partition}; the build would take that of the node that it runs on', entry['link'])


def _with_option(option: str, value: str, text: str) -> str:
    """Options with one more, unless they have it."""
    return text if option in text else f'{text} {option}={value}'.lstrip()


@rule('fortran-words', 'options of gfortran are translated for the other Fortran compilers',
      link='https://gcc.gnu.org/onlinedocs/gfortran/Fortran-Dialect-Options.html')
def fortran_words(draft: Draft, site: Site):
    """
    In commands and options that the recipe gives; in toolchainopts the toolchain does it. A text that calls gfortran
    itself stays as it is.
    """
    family = compiler_family(load_toolchains()['toolchains'][site.toolchain]['family'])
    words = family.get('gfortran')
    if not words:
        return
    pattern = re.compile(rf'(?<![\w/-])({"|".join(map(re.escape, words))})(?![\w=-])')
    refused = [(re.compile(rf'(?<!\S)(?:{entry["pattern"]})(?!\S)'), entry['by'])
               for entry in family.get('fortran_flags', ())]

    def without_refused(flags: str) -> str:
        for one, by in refused:
            flags = one.sub(by, flags)
        return flags

    def change(text: str) -> str:
        if _CALLED.search(text):
            return text
        text = pattern.sub(lambda found: words[found.group(1)], text)
        return _FORTRAN.sub(lambda found: '{0}{1}{2}{1}'.format(
            found.group(1), found.group(2) or '', without_refused(found.group(3) or found.group(4) or '')), text)

    changes = list(in_commands(draft, change, TOOLCHAINS))
    options = draft.parameters.get('toolchainopts')
    if refused and isinstance(options, dict):
        after = {name: without_refused(value) if name in _FORTRAN_OPTIONS and isinstance(value, str) else value
                 for name, value in options.items()}
        changes.extend([('toolchainopts', options, after)] if after != options else [])
    for name, before, after in changes:
        yield Change(name, before, after, 'fortran-words', f'{site.toolchain}\'s Fortran compiler does not know '
                     'options of gfortran', fortran_words.link)
