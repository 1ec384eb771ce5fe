# SPDX-License-Identifier: GPL-2.0-only
"""EasyBuild's other lists of dependencies, which become the two that all rules know."""
from ..change import Change
from ..dependency import Dependency
from ..site import Site
from .base import rule
from .draft import Draft

_DOCS = 'https://docs.easybuild.io/manipulating-dependencies/'


@rule('several-versions', 'a release holds one version of a library, so a build is not repeated for several',
      link='https://docs.easybuild.io/version-specific/easyconfig-parameters/')
def several_versions(draft: Draft, site: Site):
    """
    multi_deps, over whose versions EasyBuild repeats a build: the first one, whose module EasyBuild loads with the
    software's own, becomes a dependency like any other.
    """
    wanted = draft.parameters.get('multi_deps')
    if not wanted:
        return
    loaded = draft.parameters.get('multi_deps_load_default', True)
    for name, versions in wanted.items():
        parameter = 'dependencies' if loaded else 'builddependencies'
        yield Change(parameter, None, Dependency(name, versions[0]), 'several-versions',
                     f'it was to be built for {name} {" and ".join(versions)}, and a release holds one of them',
                     several_versions.link)
    yield Change('multi_deps', wanted, None, 'several-versions', 'it became a dependency like any other')


@rule('hidden-dependencies', 'modules are not hidden here', link=_DOCS)
def hidden_dependencies(draft: Draft, site: Site):
    """
    hiddendependencies says which of the other dependencies' modules are hidden: EasyBuild would look for them under
    the names that they had upstream, and stop.
    """
    hidden = draft.parameters.get('hiddendependencies')
    if hidden:
        yield Change('hiddendependencies', hidden, None, 'hidden-dependencies', 'what stands in for these dependencies '
                     'is not hidden, and EasyBuild stops where it finds none of those names', hidden_dependencies.link)
