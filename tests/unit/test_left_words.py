# SPDX-License-Identifier: GPL-2.0-only
"""No adapted recipe names what is not there under that name: upstream's BLAS, compilers of MPI, folders."""
import os
import re

from lumi_hooks.adapt import adapt
from lumi_hooks.dependency import root_variable
from lumi_hooks.packages import members, treatment
from lumi_hooks.recipe import read_recipe
from lumi_hooks.rules.draft import DEPENDENCY_LISTS, Draft
from lumi_hooks.rules.folders import is_provided
from lumi_hooks.rules.texts import in_commands
from lumi_hooks.survey import recipes_below

NAMES = re.compile(r'(?i:[\w.-]*(?:flexiblas|openblas)[\w.-]*)|-lscalapack\b|'
                   r'(?<![\w./+-])(?:mpicc|mpicxx|mpic\+\+|mpiCC|mpifort|mpif90|mpif77)(?![\w./+-])')
FOLDERS = re.compile(r'\bEBROOT[A-Z0-9_]+\b')

# software and word that is right, and why
RIGHT = {
    ('MOKIT', 'Makefile.gnu_openblas_conda'): 'the name of a makefile, in which the recipe says $LIBBLAS',
    ('GEMMA', 'WITH_OPENBLAS'): 'it is set to nothing',
    ('FLINT', 'openblas'): 'what the sources look for, to which the recipe adds a name',
    ('CAFE5', 'openblas'): 'what the sources say, in whose place the recipe puts a name',
    ('OpenLB', 'OPENBLAS'): "OpenLB's name for any BLAS; the libraries are $LIBLAPACK_MT",
}
RIGHT.update({('Dice', word): 'what upstream\'s patch says, in whose place the recipe puts a word'
              for word in ('flexiblas_api.h', 'flexiblas_set_num_threads')})
RIGHT.update({('Nektar++', word): 'its CMake asks first whether the compiler links dgemm_, as the wrappers do, and '
              'reads nothing of a vendor then (cmake/ThirdPartyBlasLapack.cmake)'
              for word in ('OPENBLAS', 'FlexiBLAS', 'FlexiBLAS_HOME', '-DNEKTAR_USE_FlexiBLAS')})


def nobodys():
    """The variables that are not set, as something else stands in for the software."""
    entries = {name: treatment(name) for name in members()}
    return {root_variable(name) for name, entry in entries.items()
            if (entry.verb == 'drop' or entry.verb == 'module' and not entry.lists)
            and name not in ('GCC', 'GCCcore', 'binutils')}


def left_words(adaptation):
    """Words of an adapted recipe that nothing answers to."""
    draft = Draft(adaptation.recipe)
    draft.parameters = dict(adaptation.parameters)
    gone = nobodys() - {root_variable(item.name) for where in DEPENDENCY_LISTS for item in draft.dependencies(where)}
    for text in all_texts(draft):
        yield from (word for word in NAMES.findall(text) if 'NUM_THREADS' not in word)
        yield from (word for word in FOLDERS.findall(text) if word in gone)


def all_texts(draft):
    """The texts that the rules see."""
    seen = []

    def look(text):
        seen.append(text)
        return text

    assert not list(in_commands(draft, look)), 'nothing is changed'
    return seen


def test_no_word_is_left(upstream_site):
    """Looked at are all of upstream's recipes that have such a word."""
    asked = re.compile('|'.join(['lexi[bB][lL]|openblas|OpenBLAS|OPENBLAS|-lscalapack|mpi[cCf]', *nobodys()]))
    found = {}
    for path in recipes_below(upstream_site.index.upstream):
        with open(path, encoding='utf-8', errors='replace') as stream:
            if not asked.search(stream.read()):
                continue
        recipe = read_recipe(path)
        if recipe.toolchain[0] == 'system' or is_provided(Draft(recipe)):
            continue
        adaptation = adapt(recipe, upstream_site)
        if adaptation.status == 'adapted':
            for word in left_words(adaptation):
                found.setdefault((recipe.name, word), os.path.basename(path))
    assert {key: path for key, path in found.items() if key not in RIGHT} == {}
    assert set(RIGHT) == set(found), 'words that are gone'
