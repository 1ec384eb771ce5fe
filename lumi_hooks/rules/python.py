# SPDX-License-Identifier: GPL-2.0-only
"""Python: bounds of packages on the interpreter, and packages that cray-python carries already."""
from ..change import Change, Refusal
from ..packages import package
from ..selection import choose_version
from ..site import Site
from ..versions import within
from .base import rule
from .carried import needs, stand_ins, unfit
from .dependencies import treated
from .draft import Draft


@rule('python-bound', 'a package that does not work with the release\'s cray-python is refused before it is built')
def python_bound(draft: Draft, site: Site):
    """The package's own bound (`python` in its data file) against the release's cray-python."""
    bound = package(draft.name).get('python')
    names = {dependency.name for _, dependency in draft.each()}
    if not bound or not names & {'Python', 'cray-python'}:
        return
    version = site.release.modules['cray-python']
    low, high = bound.get('min'), bound.get('below')
    if not within(version, bound):
        span = ' and '.join(part for part in (low and f'at least {low}', high and f'below {high}') if part)
        yield Refusal('python', f'{draft.name} needs a Python {span} ({bound["reason"]}), and release '
                      f'{site.release.name} has cray-python/{version}: try another release', 'python-bound')


@rule('python-carried', 'what cray-python carries is used, and only what it lacks is built on top of it')
def python_carried(draft: Draft, site: Site):
    """SciPy-bundle, mpi4py → cray-python, and a module of ours with what it lacks of a bundle (SciPy-extras)."""
    for parameter, dependency, found in treated(draft, 'python'):
        modules, _ = stand_ins(draft, site, dependency, found)
        if modules:
            need = package(draft.name).get('needs', {}).get(dependency.name, {})
            yield Change(parameter, dependency, modules if len(modules) > 1 else modules[0], 'python-carried',
                         need.get('reason', found.reason), need.get('link', found.link))
            continue
        version = choose_version(dependency, site).version
        refusal = unfit(draft, site, needs(draft, site, dependency, found), (found.members or {}).get(version, {}),
                        f'{dependency.name} {version}')
        if refusal:
            yield Refusal('python-packages', refusal, 'python-carried')
