# SPDX-License-Identifier: GPL-2.0-only
"""BLAS by name: recipes that say -lflexiblas, where the Cray wrappers link LibSci by themselves."""
import re
from typing import List, Pattern, Tuple

from ..change import Change
from ..releases import load_rocm
from ..site import Site
from .base import rule
from .draft import Draft
from .folders import is_provided
from .texts import in_commands

_NAMES = re.compile(r'(?i)flexiblas|openblas|scalapack')
_ROOT = r'\$\{?EBROOT(?:FLEXIBLAS|OPENBLAS|SCALAPACK)\}?/lib(?:64)?'


@rule('blas-by-name', 'LibSci is linked by the wrappers, and FlexiBLAS and OpenBLAS are not there by their names')
def blas_by_name(draft: Draft, site: Site):
    """
    -lflexiblas and -lopenblas go, a path to such a library becomes that of LibSci, and where a build asks for the
    name of a library or for CMake's name of its vendor, it is told one under which LibSci is found.
    """
    # for most recipes there is nothing to look for
    if not _NAMES.search(draft.recipe.text) or is_provided(draft):
        return
    substitutes = _substitutes(draft, site)

    def change(text: str) -> str:
        for pattern, words in substitutes:
            text = pattern.sub(words, text)
        return text

    for parameter, before, after in in_commands(draft, change):
        yield Change(parameter, before, after, 'blas-by-name',
                     'cc, CC and ftn link LibSci, which holds BLAS, CBLAS, LAPACK, LAPACKE and ScaLAPACK')


def _substitutes(draft: Draft, site: Site) -> List[Tuple[Pattern[str], str]]:
    """
    What is said instead, in this order: a path to the library, the folder for the linker, the library for the linker,
    CMake's name of the vendor (FindBLAS tries what the compiler links by itself first, for \'All\'), the folder of
    FlexiBLAS\'s headers, the library\'s bare name.
    """
    facts = load_rocm()['blas']
    library, threads = facts['libraries'][site.toolchain], facts['openmp'] if draft.option('openmp') else ''
    serial, mpi = library + threads, library + facts['mpi'] + threads
    return [(re.compile(pattern), words) for pattern, words in (
        (_ROOT + r'/lib(?:flexiblas|openblas)\.(?:so|a)\b', '$LAPACK_LIB_DIR/$LAPACK_SHARED_LIBS'),
        (r'-L' + _ROOT + r'[ ]*', ''),
        (r'(?<![\w-])-l(?:flexiblas|openblas)\b[ ]?', ''),
        (r'(?<![\w-])-lscalapack\b', '-l' + mpi),
        (r'(\wBLAS?_VENDOR(?::STRING)?=["\']?)(?:FlexiBLAS|OpenBLAS)\b', r'\1All'),
        (r'\binclude/flexiblas\b', 'include'),
        (r'(?<![\w-])lflexiblas\b', 'l' + serial),
        (r'(?<![\w.$-])flexiblas(?![\w.-])', serial),
    )]
