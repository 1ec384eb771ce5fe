# SPDX-License-Identifier: GPL-2.0-only
"""Which files a recipe asks for, under which names, with which sha256: asked of EasyBuild itself."""
import glob
import os
import re
from contextlib import redirect_stderr, redirect_stdout

from easybuild.framework.easyconfig.easyconfig import EasyConfig, get_easyblock_class, letter_dir_for
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.options import set_up_configuration

KEPT = ('EASYBUILD_ROBOT_PATHS', 'EASYBUILD_INCLUDE_EASYBLOCKS', 'EASYBUILD_INCLUDE_TOOLCHAINS')
SHA256 = re.compile(r'^[0-9a-f]{64}$')
PYPI_URL = re.compile(r'^https?://(?:pypi\.python\.org|files\.pythonhosted\.org|pypi\.org)/packages/source/'
                      r'[^/]+/([^/]+)')
# where the index keeps a file, by a digest of it: the name of the file says of which project it is
PYPI_FILES = re.compile(r'^https?://(?:pypi\.python\.org|files\.pythonhosted\.org|pypi\.org)/packages/[0-9a-f]{2}/')

# the recipes of this project
OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))), 'easyconfigs')


def set_up():
    """Read EasyBuild's configuration once; of the environment's, only where recipes and plugins are.

    Hooks would change the recipe that is looked at, the rest only matters to builds.
    Returns the folders where EasyBuild looks for recipes.
    """
    for variable in [name for name in os.environ if name.startswith('EASYBUILD_') and name not in KEPT]:
        del os.environ[variable]
    # --fetch: EasyBuild then does without a modules tool
    arguments = ['--fetch', '--ignore-osdeps']
    if os.geteuid() == 0:
        # nothing is built here
        arguments.append('--allow-use-as-root-and-accept-consequences')
    with open(os.devnull, 'w', encoding='utf-8') as quiet, redirect_stdout(quiet), redirect_stderr(quiet):
        settings = set_up_configuration(args=arguments, silent=True)
    return [*settings[0].options.robot_paths, OURS]


def find_recipe(name, folders):
    """Return the path of a recipe given as a file or as a name; ValueError if no folder has it.

    folders: the robot path; a recipe lies in <folder>, <folder>/<name> or <folder>/<letter>/<name>
    """
    if os.path.isfile(name):
        return os.path.abspath(name)
    for folder in folders:
        folder = glob.escape(folder)
        for pattern in (name, os.path.join('*', name), os.path.join(name[0].lower(), '*', name)):
            for path in glob.glob(os.path.join(folder, pattern)):
                return os.path.abspath(path)
    raise ValueError('recipe not found: give its path, or a name that `eb --search` finds')


def _checksums(value, filename):
    """Return the sha256 values that are accepted for a file, from any shape a recipe may use."""
    if isinstance(value, str):
        return [value.lower()] if SHA256.match(value.lower()) else []
    if isinstance(value, dict):
        return _checksums(value.get(filename, value.get('sha256')), filename)
    if isinstance(value, (list, tuple)):
        if len(value) == 2 and isinstance(value[0], str) and not SHA256.match(value[0].lower()):
            return _checksums(value[1], filename) if value[0] == 'sha256' else []
        return [sha for item in value for sha in _checksums(item, filename)]
    return []


def _pypi_project(urls, filename):
    """Return the PyPI project that the recipe's own source URLs name, or that a wheel is named after, or None."""
    wheel = filename.endswith('.whl')
    named = filename.split('-')[0] if wheel else filename.rsplit('-', 1)[0]
    for url in urls or []:
        url = url if isinstance(url, str) else url[0]
        match = PYPI_URL.match(url)
        if match:
            return match.group(1)
        if PYPI_FILES.match(url):
            return named
    return named if wheel else None


def _entry(name, version, filename, urls, sha256, extension=False):
    """Describe one file: `path` is relative to the sourcepath."""
    parts = [letter_dir_for(name), name] + (['extensions'] if extension else []) + [filename]
    if filename.endswith('.whl'):
        # a recipe of several wheels has a version of its own
        version = filename.split('-')[1]
    return {'path': os.path.join(*parts), 'file': filename, 'version': version, 'sha256': sha256,
            'pypi': _pypi_project(urls, filename)}


def _source_entries(app):
    """Files in `sources` (for a bundle: those of its components, which its easyblock has gathered)."""
    for index, source in enumerate(app.cfg['sources']):
        urls = app.cfg['source_urls']
        if isinstance(source, (list, tuple)):
            source = source[0]
        location = app.name
        if isinstance(source, dict):
            urls = source.get('source_urls', urls)
            location = source.get('alt_location', location)
            filename = source['filename']
        else:
            filename = source
        checksum = app.get_checksum_for(app.cfg['checksums'], filename=filename, index=index)
        sha256 = _checksums(checksum, filename)
        if '://' in filename:
            filename = filename.split('/')[-1]
        yield _entry(location, app.version, filename, urls, sha256)


def _extension_entries(app):
    """Files of the extensions in `exts_list`."""
    for ext in app.collect_exts_file_info(fetch_files=False, verify_checksums=False):
        options = ext.get('options', {})
        template_values = dict(app.cfg.template_values)
        template_values.update(name=ext['name'], version=ext.get('version'), namelower=ext['name'].lower(),
                               nameletter=ext['name'][0])
        urls = [url % template_values if isinstance(url, str) and '%(' in url else url
                for url in options.get('source_urls', [])]
        for filename in ext.get('sources', []):
            sha256 = _checksums(app.get_checksum_for(ext['checksums'], filename=filename, index=0), filename)
            yield _entry(app.name, ext.get('version'), filename, urls, sha256, extension=True)


def files_of(path):
    """Return the source files a recipe wants, as dicts with path, file, version, sha256 (a list), pypi.

    Patches are left out: EasyBuild finds them next to the recipe.
    Raises ValueError with one sentence if the recipe can't be read.
    """
    try:
        config = EasyConfig(path, validate=False)
        app = get_easyblock_class(config['easyblock'], name=config['name'])(config)
        return list(_source_entries(app)) + list(_extension_entries(app))
    except EasyBuildError as err:
        raise ValueError('EasyBuild cannot read it: %s' % err.msg) from err
