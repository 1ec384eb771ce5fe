# SPDX-License-Identifier: GPL-2.0-only
"""
The hooks, one short function each: the file for `eb --hooks`, and what the plugin registers.

Without LUMI's variables in the environment none of them does anything. What installs (eb/lifecycle) is imported when
the first installation is near, as a whole, so that a clone that changes during a build does not matter; `eb -D` does
without.
"""
import functools
import os
import sys

# set for eb alone by what starts it (libexec/eb, lumi-eb install): programs of builds import from beside their script
if os.environ.pop('LUMI_HOOKS_SAFEPATH', None):
    os.environ.pop('PYTHONSAFEPATH', None)

# "python -m", as `eb` does it, has put the current folder first, which may be somebody else's: until that is known
# nothing is imported from there
_FIRST = sys.path[0] if sys.path and sys.path[0] in ('', os.path.realpath(os.curdir)) else None
if _FIRST is not None:
    del sys.path[0]

_HERE = os.path.dirname(os.path.abspath(__file__))
# EasyBuild loads this file by its path, under a name of its own
_AS_FILE = __package__ in (None, '')
if _AS_FILE and os.path.dirname(_HERE) not in sys.path:
    sys.path.insert(0, os.path.dirname(_HERE))

from lumi_hooks import library  # noqa: E402

if _AS_FILE and sys.path[0] == os.path.dirname(_HERE):  # first, it would be asked for each module of others as well
    sys.path.append(sys.path.pop(0))
if library.Finder not in sys.meta_path:
    sys.meta_path.insert(0, library.Finder)

try:
    from lumi_hooks.eb import dispatch, session
    from lumi_hooks.eb.policy import gate
except ImportError as err:
    from lumi_hooks.easybuilds import too_old
    raise ImportError(too_old() or str(err)) from err

gate.put_back(_FIRST)
_chain = None
if _AS_FILE:
    dispatch.claim('file')
    _chain = dispatch.Chain(os.path.abspath(__file__))


def _behind(name, *args, **kwargs):
    """What the chained hooks file does at the same place."""
    return _chain.run(name, *args, **kwargs) if _chain else None


def _loaded(name):
    """A module of eb/lifecycle; None where nothing is being installed."""
    return sys.modules.get(f'lumi_hooks.eb.lifecycle.{name}')


@dispatch.clear_errors
def start_hook():
    """Set up the session; a wrong environment is told when the first recipe is read, not for `eb --search`."""
    session.begin()
    _behind('start_hook')


@dispatch.clear_errors
def parse_hook(ec, *args, **kwargs):
    """Adapt the recipe that is being read."""
    active = session.ensure()
    if active:
        active.read(ec)
    _behind('parse_hook', ec, *args, **kwargs)


def _with_session(hook):
    """A hook that acts where a session was started, before the chained hooks file: it is given the session first."""
    @functools.wraps(hook)
    def run(*args, **kwargs):
        active = session.current()
        if active:
            hook(active, *args, **kwargs)
        _behind(hook.__name__, *args, **kwargs)
    return dispatch.clear_errors(run)


@_with_session
def pre_build_and_install_loop_hook(active, ecs):
    """Refuse, with all reasons, before anything is built."""
    from lumi_hooks.eb.lifecycle import environment, libtool, preparation, python, record, sanity  # noqa: F401
    gate.check_clone()
    active.raise_refusals()
    preparation.before_all(active, ecs)


@dispatch.clear_errors
def post_build_and_install_loop_hook(ecs_with_res):
    """All is built: the environment is the caller's again."""
    environment = _loaded('environment')
    if environment:
        environment.put_back()
    _behind('post_build_and_install_loop_hook', ecs_with_res)


@_with_session
def pre_easyblock_hook(active, easyblock):
    """Keep out what the package does not use."""
    from lumi_hooks.eb.lifecycle import preparation
    preparation.enter(active, easyblock)


@_with_session
def post_fetch_hook(_, easyblock):
    """Patches of others are not applied."""
    gate.check_patches(easyblock)


@_with_session
def pre_prepare_hook(_, easyblock):
    """The toolchain is going to be loaded."""
    from lumi_hooks.eb.policy import external_names
    external_names.leave_out_roots(easyblock.toolchain.tcdeps or ())


@_with_session
def pre_single_extension_hook(_, extension):
    """The toolchain is going to be loaded for an extension."""
    from lumi_hooks.eb.policy import external_names
    external_names.enter_extension(extension)


@_with_session
def post_single_extension_hook(_, extension):
    """An extension is installed."""
    from lumi_hooks.eb.policy import external_names
    external_names.leave_extension()


@_with_session
def pre_configure_hook(active, easyblock):
    """What is loaded has to suffice for a Python package, before it is built."""
    from lumi_hooks.eb.lifecycle import python
    python.check(active.site, easyblock)


@_with_session
def post_configure_hook(_, easyblock):
    """What configure does not know of the compilers is added."""
    from lumi_hooks.eb.lifecycle import libtool
    libtool.complete(easyblock)


@_with_session
def pre_sanitycheck_hook(active, easyblock):
    """What was installed is going to be tried."""
    from lumi_hooks.eb.lifecycle import preparation, sanity
    preparation.repair(active, easyblock)
    sanity.begin(easyblock)


@_with_session
def post_sanitycheck_hook(active, easyblock):
    """Verify how the package is linked, before its module is written."""
    from lumi_hooks.eb.lifecycle import linkage, sanity
    sanity.end(easyblock)
    linkage.verify(active, easyblock)


@dispatch.clear_errors
def pre_run_shell_cmd_hook(cmd, *args, **kwargs):
    """Rust is told the processor; commands of a sanity check may start MPI, which has no place on a login node."""
    active, environment, sanity = session.current(), _loaded('environment'), _loaded('sanity')
    if active and environment:
        environment.rust_for(active.site)
    changed = _behind('pre_run_shell_cmd_hook', cmd, *args, **kwargs)
    instead = sanity.instead(changed or cmd, kwargs.get('interactive', False)) if sanity else None
    return changed if instead is None else instead


@_with_session
def pre_module_hook(active, easyblock):
    """Write down what was installed, before the module is made and permissions are set."""
    active.records.write(easyblock)


@dispatch.clear_errors
def module_write_hook(easyblock, path, text):
    """The short form of the record goes into the module's help."""
    active = session.current()
    if active:
        text = active.records.with_help(easyblock, path, text)
    found = _behind('module_write_hook', easyblock, path, text)
    return text if found is None else found


@_with_session
def post_easyblock_hook(active, easyblock):
    """The package is installed."""
    from lumi_hooks.eb.lifecycle import preparation
    preparation.leave(active, easyblock)


def _pass_on():
    """The chained file's hooks at places where we have none."""
    for name in _chain.hooks if _chain else ():
        if name not in globals():
            globals()[name] = lambda *args, _name=name, **kwargs: _behind(_name, *args, **kwargs)


_pass_on()
