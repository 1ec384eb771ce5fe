# SPDX-License-Identifier: GPL-2.0-only
"""
The hooks, one short function each: the file for `eb --hooks`, and what the plugin registers.

Without LUMI's variables in the environment none of them does anything. What installs (eb/lifecycle) is imported when
the first installation is near, as a whole, so that a clone that changes during a build does not matter; `eb -D` does
without.
"""
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
    from lumi_hooks.loaded import too_old
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


@dispatch.clear_errors
def pre_build_and_install_loop_hook(ecs):
    """Refuse, with all reasons, before anything is built."""
    active = session.current()
    if active:
        from lumi_hooks.eb.lifecycle import environment, libtool, preparation, python, record, sanity  # noqa: F401
        gate.check_clone()
        active.raise_refusals()
        preparation.before_all(active, ecs)
    _behind('pre_build_and_install_loop_hook', ecs)


@dispatch.clear_errors
def post_build_and_install_loop_hook(ecs_with_res):
    """All is built: the environment is the caller's again."""
    environment = _loaded('environment')
    if environment:
        environment.put_back()
    _behind('post_build_and_install_loop_hook', ecs_with_res)


@dispatch.clear_errors
def pre_easyblock_hook(easyblock):
    """Keep out what the package does not use."""
    active = session.current()
    if active:
        from lumi_hooks.eb.lifecycle import preparation
        active.enter(easyblock.cfg)
        preparation.enter(active, easyblock)
    _behind('pre_easyblock_hook', easyblock)


@dispatch.clear_errors
def post_fetch_hook(easyblock):
    """Patches of others are not applied."""
    if session.current():
        gate.check_patches(easyblock)
    _behind('post_fetch_hook', easyblock)


@dispatch.clear_errors
def pre_prepare_hook(easyblock):
    """The toolchain is going to be loaded."""
    if session.current():
        from lumi_hooks.eb.policy import external_names
        external_names.leave_out_roots(easyblock.toolchain.tcdeps or ())
    _behind('pre_prepare_hook', easyblock)


@dispatch.clear_errors
def pre_single_extension_hook(extension):
    """The toolchain is going to be loaded for an extension."""
    if session.current():
        from lumi_hooks.eb.policy import external_names
        external_names.enter_extension(extension)
    _behind('pre_single_extension_hook', extension)


@dispatch.clear_errors
def post_single_extension_hook(extension):
    """An extension is installed."""
    if session.current():
        from lumi_hooks.eb.policy import external_names
        external_names.leave_extension()
    _behind('post_single_extension_hook', extension)


@dispatch.clear_errors
def pre_configure_hook(easyblock):
    """What is loaded has to suffice for a Python package, before it is built."""
    active = session.current()
    if active:
        from lumi_hooks.eb.lifecycle import python
        python.check(active.site, easyblock)
    _behind('pre_configure_hook', easyblock)


@dispatch.clear_errors
def post_configure_hook(easyblock):
    """What configure does not know of the compilers is added."""
    if session.current():
        from lumi_hooks.eb.lifecycle import libtool
        libtool.complete(easyblock)
    _behind('post_configure_hook', easyblock)


@dispatch.clear_errors
def pre_sanitycheck_hook(easyblock):
    """What was installed is going to be tried."""
    active = session.current()
    if active:
        from lumi_hooks.eb.lifecycle import preparation, sanity
        preparation.repair(active, easyblock)
        sanity.begin(easyblock)
    _behind('pre_sanitycheck_hook', easyblock)


@dispatch.clear_errors
def post_sanitycheck_hook(easyblock):
    """Verify how the package is linked, before its module is written."""
    active = session.current()
    if active:
        from lumi_hooks.eb.lifecycle import sanity
        sanity.end(easyblock)
        active.verify(easyblock)
    _behind('post_sanitycheck_hook', easyblock)


@dispatch.clear_errors
def pre_run_shell_cmd_hook(cmd, *args, **kwargs):
    """Rust is told the processor; commands of a sanity check may start MPI, which has no place on a login node."""
    active, environment, sanity = session.current(), _loaded('environment'), _loaded('sanity')
    if active and environment:
        environment.rust_for(active.site)
    changed = _behind('pre_run_shell_cmd_hook', cmd, *args, **kwargs)
    instead = sanity.instead(changed or cmd, kwargs.get('interactive', False)) if sanity else None
    return changed if instead is None else instead


@dispatch.clear_errors
def pre_module_hook(easyblock):
    """Write down what was installed, before the module is made and permissions are set."""
    active = session.current()
    if active:
        active.records.write(easyblock)
    _behind('pre_module_hook', easyblock)


@dispatch.clear_errors
def module_write_hook(easyblock, path, text):
    """The short form of the record goes into the module's help."""
    active = session.current()
    if active:
        text = active.records.with_help(easyblock, path, text)
    found = _behind('module_write_hook', easyblock, path, text)
    return text if found is None else found


@dispatch.clear_errors
def post_easyblock_hook(easyblock):
    """The package is installed."""
    active = session.current()
    if active:
        from lumi_hooks.eb.lifecycle import preparation
        active.leave()
        preparation.leave(active, easyblock)
    _behind('post_easyblock_hook', easyblock)


def _pass_on():
    """The chained file's hooks at places where we have none."""
    for name in _chain.hooks if _chain else ():
        if name not in globals():
            globals()[name] = lambda *args, _name=name, **kwargs: _behind(_name, *args, **kwargs)


_pass_on()
