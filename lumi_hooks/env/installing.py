# SPDX-License-Identifier: GPL-2.0-only
"""
What an environment has beside its module: its lock and spec, Python packages, the commands of its steps, the image.

environment/ has what it was made of, python/ the packages (the folder that an image is mounted on where it is packed),
bin/ the commands of steps and of what is packed.
"""
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Set, Tuple

from .. import sites, tree
from ..errors import LumiHooksError
from ..files import names_in, write_atomic
from . import foreign, module, pack, steps, wheels
from .lock import as_text
from .recipe import FOLDER, LOCK, SPEC

PYTHON, IMAGE, BIN = 'python', 'python.sqsh', 'bin'
# in environment/: runs any command with the image mounted; unmounts what a step of a job has left
_MOUNTED, EPILOG = 'mounted', 'epilog'
# there too: a link to Cray MPICH's libraries under the names of MPICH's interface, where a wheel needs them
_ABI, _ABI_FOLDER = 'mpi-abi', 'lib-abi-mpich'


def install(folder: str, lock: Mapping[str, Any], spec: Tuple[str, str], sources: Mapping[str, str],
            store: str, work: str) -> None:
    """
    Install an environment into a folder.

    :param spec: name and text of its file
    :param sources: name of an archive -> its path
    :param store: folder in which unpacked Python packages are kept between generations, where they are not packed
    :param work: folder for what is packed, which need not be kept
    :raises LumiHooksError: a package can't be built, a command is missing, or it can't be packed
    """
    os.makedirs(os.path.join(folder, FOLDER), exist_ok=True)
    write_atomic(os.path.join(folder, LOCK), as_text(lock))
    write_atomic(os.path.join(folder, SPEC + os.path.splitext(spec[0])[1]), spec[1])
    contents: Dict[str, Mapping[str, Any]] = {'': lock, **lock['steps']}
    envs: Dict[str, Dict[str, str]] = {}
    commands = _Commands(os.path.join(folder, BIN))
    with tempfile.TemporaryDirectory(dir=work) as space:
        top, earlier = folder, ''
        kept: Set[str] = set()
        if lock['packed']:  # many small files are made where that is cheap
            top, store = space, os.path.join(space, 'store')
            earlier = _take_over(folder, top, [name for name in contents if python_of(lock, name)])
        for name, content in contents.items() if lock['steps'] or python_of(lock, '') else ():
            env = module.loaded(content['targets'], os.environ)
            python = _packages(top, name, content, sources, store, env, kept)
            if python:
                _link_mpi(folder, content, env)
                places = {'PYTHONPATH': wheels.site_packages(_target(folder, name), python),
                          'PATH': os.path.join(_target(folder, name), 'bin')}
                for key, path in places.items():
                    env[key] = os.pathsep.join([path, *filter(None, [env.get(key)])])
            envs[name] = {**env, **content['variables']}
        if lock['packed']:
            _pack(folder, os.path.join(space, PYTHON), lock, envs, commands, earlier, kept)
    for name, content in lock['steps'].items():
        _step(folder, name, content, envs, commands, lock['packed'])


def python_of(lock: Mapping[str, Any], step: str) -> List[Mapping[str, Any]]:
    """The Python packages of an environment itself, or of a step."""
    found: List[Mapping[str, Any]] = (lock['steps'][step] if step else lock)['python']['pins']
    return found


def paths(folder: str, lock: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """What the module has on search paths beside its parts: (variable, folder), the last one first."""
    found = []
    abi = os.path.join(folder, FOLDER, _ABI)
    if os.path.islink(abi):
        found.append(('LD_LIBRARY_PATH', abi))
    if python_of(lock, ''):
        place = os.path.join(folder, PYTHON)
        version = '.'.join(lock['python']['version'].split('.')[:2])
        found += [('PYTHONPATH', os.path.join(place, 'lib', f'python{version}', 'site-packages'))]
        found += [('PATH', os.path.join(place, 'bin'))] if os.path.isdir(os.path.join(place, 'bin')) else []
    return found + ([('PATH', os.path.join(folder, BIN))] if lock['steps'] or lock['packed'] else [])


def variables(folder: str, lock: Mapping[str, Any]) -> Dict[str, str]:
    """What the module sets beside what its parts and the user set."""
    return {'SLURM_TASK_EPILOG': os.path.join(folder, FOLDER, EPILOG)} if lock['packed'] else {}


def _take_over(folder: str, top: str, steps_with_python: Sequence[str]) -> str:
    """
    An update installs what is new alone: the image of the generation before, empty where none is taken over. What says
    which packages are in it is unpacked into a folder, and their commands; the packages themselves stay packed.
    """
    place = os.path.dirname(folder)
    earlier = [int(name) for name in names_in(place) if name.isdecimal() and name != os.path.basename(folder)
               and os.path.isfile(os.path.join(place, name, IMAGE))]
    if not earlier:
        return ''
    image, unpacked = os.path.join(place, str(max(earlier)), IMAGE), os.path.join(top, PYTHON)
    about = [f'{target}{name}' for target in ('', 'steps/*/') for name in (BIN, *wheels.ABOUT)]
    # one that is damaged is no reason not to make a new one
    with suppress(LumiHooksError):
        pack.unpack(image, unpacked, *about)
    wanted = [_target(top, name) for name in steps_with_python]
    installed = wheels.installed_in(unpacked)
    # pip makes no links: one may lead elsewhere
    links = any(stat.S_ISLNK(entry.status.st_mode) for entry in tree.entries(unpacked))
    if installed and set(installed) <= set(wanted) and not links:
        return image
    tree.remove(unpacked)  # a part of it is no longer wanted at all
    return ''


def _packages(folder: str, step: str, content: Mapping[str, Any], sources: Mapping[str, str], store: str,
              env: Mapping[str, str], kept: Set[str]) -> str:
    """
    Install the Python packages of an environment, or of a step; the interpreter, where there are any.

    :param kept: the files that stay as the generation before has them are added to it
    """
    pins = [wheels.Pin(**pin) for pin in content['python']['pins']]
    if not pins:
        return ''
    target = _target(folder, step)
    python = _interpreter(env)
    with tempfile.TemporaryDirectory() as archives:
        for pin in pins:
            os.symlink(sources[pin.filename], os.path.join(archives, pin.filename))
        with _environment(env):
            found = wheels.install(pins, archives, target, python, store)
    place = target[len(_target(folder, '')) + 1:]
    kept.update(os.path.join(place, path) for path in found)
    return python


def _link_mpi(folder: str, content: Mapping[str, Any], env: Mapping[str, str]) -> None:
    """
    Wheels that need MPICH's interface find Cray MPICH's libraries for it: what the module cray-mpich-abi does, too.

    :raises LumiHooksError: no Cray MPICH is loaded
    """
    wanted = [pin['name'] for pin in content['python']['pins'] if pin['mpi'] == foreign.ABI]
    link = os.path.join(folder, FOLDER, _ABI)
    if wanted and not os.path.islink(link):
        place = os.path.join(env.get('CRAY_MPICH_DIR', ''), _ABI_FOLDER)
        if not os.path.isdir(place):
            raise LumiHooksError(f'{", ".join(wanted)} needs MPI: have cray-mpich among the recipes')
        os.symlink(place, link)


def base_image() -> str:
    """The image that Singularity starts from where FUSE cannot be used; empty where the site names none."""
    return str(sites.read('machine.json').get('packed', {}).get('base', ''))


def _target(folder: str, step: str) -> str:
    return os.path.join(folder, PYTHON, *(['steps', step] if step else []))


def _interpreter(env: Mapping[str, str]) -> str:
    found = shutil.which('python3', path=env.get('PATH', ''))
    if not found:
        raise LumiHooksError('there is no python3 among what the environment loads')
    return found


@contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    """The process has another environment for as long as the block runs: builds see what is loaded."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Commands:
    """The links in bin/: each command is a script of a step, or one that mounts the image."""

    def __init__(self, folder: str):
        self.folder = folder

    def script(self, path: str, text: str, names: Sequence[str]) -> None:
        """
        Write a script, and offer it under names; a name that is taken stays.

        :raises LumiHooksError: it can't be written
        """
        write_atomic(path, text, 0o755)
        os.makedirs(self.folder, exist_ok=True)
        for name in names:
            if not self.has(name):
                os.symlink(os.path.relpath(path, self.folder), os.path.join(self.folder, name))

    def has(self, name: str) -> bool:
        """Is a command offered?"""
        return os.path.lexists(os.path.join(self.folder, name))


def _pack(folder: str, made: str, lock: Mapping[str, Any], envs: Mapping[str, Mapping[str, str]],
          commands: _Commands, earlier: str, kept: Set[str]) -> None:
    """
    Pack the Python packages into one image, and offer their programs, which mount it.

    :param earlier: the image of the generation before; empty where nothing of it is kept
    :param kept: the files that are kept of it
    """
    place, image = os.path.join(folder, PYTHON), os.path.join(folder, IMAGE)
    own, base = os.path.join(folder, FOLDER), base_image()
    if not os.path.isdir(made):
        raise LumiHooksError('there is nothing to pack: an environment is packed for its Python packages')
    programs = [name for name in names_in(os.path.join(made, 'bin')) if not name.startswith('.')]
    if earlier:
        pack.update(earlier, kept, made, image)
    else:
        pack.pack(made, image)
    tree.remove(place)
    os.mkdir(place)
    write_atomic(os.path.join(own, EPILOG), pack.epilog(), 0o755)
    if python_of(lock, ''):
        python = _interpreter(envs[''])
        names = ['python3', 'python', os.path.basename(os.path.realpath(python))]
        commands.script(os.path.join(own, 'python'), pack.wrap(image, place, python, base), names)
        if programs:
            commands.script(os.path.join(own, 'program'),
                            pack.wrap(image, place, os.path.join(place, 'bin', ''), base), programs)
    commands.script(os.path.join(own, _MOUNTED), pack.wrap(image, place, '', base), [])


def _step(folder: str, step: str, content: Mapping[str, Any], envs: Mapping[str, Mapping[str, str]],
          commands: _Commands, packed: bool) -> None:
    """Offer the commands of a step."""
    setting = module.resolved(content['targets'], os.environ)
    asked = [setting.roots[target] for target in content['targets'] if target in setting.roots]
    try:
        found = steps.programs(content['commands'], asked, envs[step])
    except KeyError as err:
        raise LumiHooksError(f'the step {step} has no command {err.args[0]}') from err
    taken = next((name for name in content['commands'] if commands.has(name)), None)
    if taken:
        raise LumiHooksError(f'two steps offer the command {taken}: name others in "commands"')
    own = os.path.join(folder, FOLDER)
    mount = os.path.join(own, _MOUNTED) if packed and content['python']['pins'] else ''
    commands.script(os.path.join(own, f'step-{step}'),
                    steps.script(step, envs[step], list(envs.values()), os.environ, found, mount),
                    [steps.launcher(step), *found])
