# SPDX-License-Identifier: GPL-2.0-only
"""LumiEnvironment: its steps with EasyBuild and Lmod themselves, on parts that are module files alone."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lumi_hooks.env.recipe import recipe_text
from tests.lmod_command import require_lmod

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SCRIPT = '''
import importlib.util, json, os, sys
root, prefix, recipe = sys.argv[1:]
from easybuild.tools.options import set_up_configuration
set_up_configuration(args=['--prefix', prefix, '--robot-paths', prefix], silent=True)
sys.path.insert(0, root)
path = os.path.join(root, 'easyblocks')
spec = importlib.util.spec_from_file_location('lumi_hooks_easyblocks', path + '/__init__.py',
                                              submodule_search_locations=[path])
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
importlib.import_module('lumi_hooks_easyblocks.registry').supersede()
from easybuild.framework.easyconfig.easyconfig import EasyConfig, get_easyblock_class
from easybuild.tools.build_log import EasyBuildError
ec = EasyConfig(recipe)
app = get_easyblock_class(ec['easyblock'], name=ec.name)(ec)
app.gen_builddir(); app.gen_installdir(); app.make_builddir(); app.make_installdir()
try:
    for step in ('prepare_step', 'configure_step', 'build_step', 'install_step', 'sanity_check_step'):
        getattr(app, step)()
    app.make_module_step()
    error = None
except EasyBuildError as err:
    error = err.msg
print(json.dumps({'error': error, 'folder': app.installdir, 'module': app.mod_filepath,
                  'differences': None if error else app._differences()}))
'''


@pytest.fixture
def run(tmp_path):
    """Install a lock's environment; the parts are modules in EasyBuild's folder."""
    modules = tmp_path / 'modules' / 'all'

    def part(name, text):
        path = modules / f'{name}.lua'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def install(targets, steps=None, variables=None):
        def content(names, more=None):
            return {'asked': [], 'targets': names, 'variables': variables or {}, **(more or {}),
                    'python': {'requirements': [], 'interpreter': None, 'version': None, 'pins': []}}
        names = dict.fromkeys([*targets, *(one for names in (steps or {}).values() for one in names)])
        lock = {'schema_version': 1, 'kind': 'lock of a lumi-hooks environment', 'name': 'my-md', 'description': '',
                'release': '25.03', 'partition': 'C', 'library': '0', 'packed': False, **content(targets),
                'steps': {step: content(names, {'commands': []}) for step, names in (steps or {}).items()},
                'modules': [{'module': name, 'name': name.split('/')[0], 'version': name.split('/')[1], 'source': None,
                             'versionsuffix': '', 'toolchain': ['system', 'system'], 'external': False,
                             'sha256': None, 'adapted': None} for name in names]}
        recipe = tmp_path / 'my-md-1.eb'
        recipe.write_text(recipe_text(1, lock, ('my-md.yaml', 'name: my-md\n')))
        env = {'PATH': f'{os.path.dirname(sys.executable)}:/usr/bin:/bin', 'HOME': str(tmp_path),
               'LMOD_CMD': require_lmod(), 'MODULEPATH': str(modules),
               'EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES': '1',
               'PYTHONDONTWRITEBYTECODE': '1', 'EASYBUILD_ROBOT_PATHS': str(tmp_path)}
        done = subprocess.run([sys.executable, '-c', SCRIPT, ROOT, str(tmp_path), str(recipe)], env=env, text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1]), env

    return part, install


def test_its_module_sets_what_its_parts_set(run, tmp_path):
    part, install = run
    part('Low/1', f'setenv("EBROOTLOW", "{tmp_path}")\nprepend_path("PATH", "/low/bin")\nsetenv("LOW", "l")\n')
    part('Top/2', f'depends_on("Low/1")\nsetenv("EBROOTTOP", "{tmp_path}")\nprepend_path("PATH", "/top/bin")\n')
    found, _ = install(['Top/2'], variables={'MINE': "it's 100% \"$mine\"", 'LOW': 'other'})
    assert found['error'] is None and found['differences'] == [], found
    text = Path(found['module']).read_text()
    assert 'prepend_path("PATH", "/top/bin:/low/bin")' in text and 'depends_on' not in text
    assert "pushenv(\"MINE\", \"it's 100% \\\"$mine\\\"\")" in text
    lock = json.loads(Path(found['folder'], 'environment/lock.json').read_text())
    assert lock['variables']['MINE'] == "it's 100% \"$mine\""


def test_what_cannot_be_told_is_an_error_and_no_module(run, tmp_path):
    """A part whose module acts in another way when something else is loaded."""
    part, install = run
    part('Odd/1', f'setenv("EBROOTODD", "{tmp_path}")\nif isloaded("Other/1") then\n    setenv("ODD", "1")\nend\n')
    part('Other/1', 'setenv("OTHER", "1")\n')
    found, _ = install(['Other/1', 'Odd/1'])
    assert "does not set what its parts set: ODD is None by the one module, and '1' by its parts" in found['error']
    assert not os.path.exists(found['module'])


def test_steps_have_their_own(run, tmp_path):
    part, install = run
    for version in ('1', '2'):
        program = tmp_path / version / 'bin' / 'say'
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\necho {version} $SAYS\n')
        program.chmod(0o755)
        part(f'Say/{version}', f'setenv("EBROOTSAY", "{program.parent.parent}")\nsetenv("SAYS", "{version}")\n'
                               f'prepend_path("PATH", "{program.parent}")\n')
    found, env = install(['Say/1'], steps={'new': ['Say/2']})
    assert found['error'] is None, found
    done = subprocess.run(['/bin/bash', '-c', 'eval "$("$LMOD_CMD" bash load my-md/1)"; say; in-new say; '
                           '"$EBROOTSAY/bin/say"'], env=env, text=True, capture_output=True, check=False)
    assert done.stdout.splitlines() == ['2 2', '2 2', '1 1'], done.stderr
