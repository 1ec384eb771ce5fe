# SPDX-License-Identifier: GPL-2.0-only
"""
Builds do not see what the shell that starts `eb` has set for work of its own (caller.py says what that is).

EasyBuild copies the environment before the first build, and goes back to that copy before each build and whenever it
loads a module in a sanity check (build_and_install_software in main.py, EasyBlock.initial_environ); of Python's
variables it leaves out all. So the rest goes before that copy is made. EasyBuild's module commands take
LD_LIBRARY_PATH and LD_PRELOAD from the environment that `eb` was started with (ModulesTool.run_module), and Lmod puts
its folders in front of those: they go from that one, too. All is put back after the last build.
"""
import os
from typing import Dict, List

from easybuild.tools.environment import ORIG_OS_ENVIRON, setvar
from easybuild.tools.modules import LD_ENV_VAR_KEYS

from ...caller import KEEP, TOLD, foreign
from ...rules.words import processor
from ...site import Site
from .. import messages

# what the easyblock Cargo says to rustc where --optarch has no word for it (rustc_optarch in generic/cargo.py)
_RUST_NATIVE = 'target-cpu=native'
# what was left out, by name: the value as it was
_before: Dict[str, str] = {}
_original: Dict[str, str] = {}


def clean() -> None:
    """Leave the caller's variables out of the environment of builds, and say which."""
    put_back()
    found = [one for one in foreign() if one.kind != TOLD]
    for one in found:
        _before[one.name] = os.environ[one.name]
        _set(os.environ, one.name, one.value)
        if one.name in LD_ENV_VAR_KEYS and one.name in ORIG_OS_ENVIRON:
            _original[one.name] = ORIG_OS_ENVIRON[one.name]
            kept = [part for part in _original[one.name].split(os.pathsep) if part not in one.parts]
            _set(ORIG_OS_ENVIRON, one.name, os.pathsep.join(kept))
    if found:
        messages.say('builds do not see what your shell has set: ' + ', '.join(
            one.name if one.value is None else f'{one.name} ({", ".join(one.parts)})' for one in found)
            + f' (lumi-eb doctor says what they would do; {KEEP}={found[0].name} keeps one)')


def put_back() -> None:
    """The environment is as the caller has it again."""
    os.environ.update(_before)
    ORIG_OS_ENVIRON.update(_original)
    _before.clear()
    _original.clear()


def rust_for(site: Site) -> None:
    """
    Before a command: rustc compiles for the partition's processor, as the wrappers do, not for that of the node that
    builds. The easyblock sets $RUSTFLAGS again whenever it loads a module.
    """
    flags, target = os.environ.get('RUSTFLAGS', ''), processor(site, 'llvm')
    if target and _RUST_NATIVE in flags:
        setvar('RUSTFLAGS', flags.replace(_RUST_NATIVE, f'target-cpu={target}'), verbose=False)


def left_out() -> List[str]:
    """Names of the variables that the builds of this session do not see, for their records."""
    return sorted(_before)


def original() -> Dict[str, str]:
    """The environment that `eb` was started with, for programs that are none of a build's."""
    return {**ORIG_OS_ENVIRON, **_original}


def _set(env, name: str, value) -> None:
    if value:
        env[name] = value
    else:
        env.pop(name, None)
