# SPDX-License-Identifier: GPL-2.0-only
"""BLAS by name: recipes that say -lflexiblas, where the Cray wrappers link LibSci by themselves."""
import re
from typing import Any

from ..change import Change
from ..site import Site
from .base import rule
from .draft import Draft

PARAMETERS = tuple(f'{before}{step}opts' for step in ('config', 'build', 'test', 'install') for before in ('pre', ''))

_ROOT = r'\$\{?EBROOT(?:FLEXIBLAS|OPENBLAS)\}?/lib(?:64)?'
# in this order: a path to the library, the folder for the linker, the library for the linker
SUBSTITUTES = tuple((re.compile(pattern), text) for pattern, text in (
    (_ROOT + r'/lib(?:flexiblas|openblas)\.(?:so|a)\b', '$LAPACK_LIB_DIR/$LAPACK_SHARED_LIBS'),
    (r'-L' + _ROOT + r'[ ]*', ''),
    (r'(?<![\w-])-l(?:flexiblas|openblas)\b[ ]?', ''),
))


@rule('blas-by-name', 'LibSci is linked by the wrappers, and FlexiBLAS and OpenBLAS are not there by their names')
def blas_by_name(draft: Draft, site: Site):
    """-lflexiblas and -lopenblas go, a path to such a library becomes that of LibSci."""
    for parameter in PARAMETERS:
        before = draft.parameters.get(parameter)
        after = _without(before)
        if after != before:
            yield Change(parameter, before, after, 'blas-by-name',
                         'cc, CC and ftn link LibSci, which holds BLAS, CBLAS, LAPACK and LAPACKE')


def _without(value: Any) -> Any:
    """A value of a parameter, a text or a list of texts, without the names of BLAS libraries."""
    if isinstance(value, (list, tuple)):
        return type(value)(_without(item) for item in value)
    if not isinstance(value, str):
        return value
    for pattern, text in SUBSTITUTES:
        value = pattern.sub(text, value)
    return value
