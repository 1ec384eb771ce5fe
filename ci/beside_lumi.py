# SPDX-License-Identifier: GPL-2.0-only
"""What an adapted recipe loads that LUMI's own recipe of the same software does not, and the other way round."""
import os
import tempfile
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from standin.lumi.stubs import facts, write_stubs

from lumi_hooks.adapt import ADAPTED, adapt
from lumi_hooks.errors import RecipeError
from lumi_hooks.index import Index, Source, choose_source
from lumi_hooks.recipe import read_recipe
from lumi_hooks.selection import source_recipe
from lumi_hooks.site import Site, make_site

# what both have for every build, under one name or another
TOOLS = frozenset(('buildtools', 'buildtools-python', 'Python-build-backends', 'craype-network-none',
                   'craype-accel-host'))
PARAMETERS = ('dependencies', 'builddependencies')


def compare(names: Iterable[str], upstream: Sequence[str]) -> List[Dict[str, Any]]:
    """
    The comparison of each software that LUMI has a recipe of for cpeGNU and CPUs: LUMI's recipe, ours, and the words
    that differ: '+X' is a dependency of ours alone, '-X' one of LUMI's, and 'build: ' stands before those of the build.
    """
    known = facts()
    with tempfile.TemporaryDirectory() as folder:
        write_stubs(folder)
        site = make_site(known['release'], 'C', 'cpeGNU', index=Index((), [folder], upstream), env={})
        found = [_one(name, [row for row in known['recipes'] if row['name'] == name and 'cpeGNU' in row['toolchains']
                             and 'rocm' not in row.get('suffix', '')], site) for name in names]
    return [row for row in found if row]


def _one(name: str, theirs: Sequence[Mapping[str, Any]], site: Site) -> Optional[Dict[str, Any]]:
    """The comparison with that recipe of LUMI's which is nearest: of the same version, then with fewest differences."""
    source = _source(name, [row['version'] for row in theirs], site) if theirs else None
    try:
        adaptation = adapt(read_recipe(source.path), site) if source else None
    except RecipeError:
        return None
    if source is None or adaptation is None or adaptation.status != ADAPTED:
        return None
    ours = [{item.name for item in adaptation.dependencies(parameter)} - TOOLS for parameter in PARAMETERS]

    def differences(row: Mapping[str, Any]) -> Tuple[str, ...]:
        words: List[str] = []
        for start, mine, parameter in zip(('', 'build: '), ours, PARAMETERS):
            lumis = {(item if isinstance(item, str) else item[0]).split('/')[0] for item in row.get(parameter, ())}
            words += [f'{start}+{item}' for item in sorted(mine - lumis - TOOLS)]
            words += [f'{start}-{item}' for item in sorted(lumis - mine - TOOLS)]
        return tuple(words)

    best = min(theirs, key=lambda row: (row['version'] != source.version, len(differences(row))))
    return {'name': name, 'lumi': f'{name}-{best["version"]}{best.get("suffix", "")}',
            'ours': os.path.basename(source.path), 'differences': list(differences(best))}


def _source(name: str, versions: Sequence[str], site: Site) -> Optional[Source]:
    """Upstream's recipe of one of LUMI's versions, else the one that would be taken."""
    same = next(filter(None, (source_recipe(name, version, '', site) for version in versions)), None)
    return same or choose_source([item for item in site.index.sources(name) if not item.versionsuffix],
                                 site.release.generation)
