# SPDX-License-Identifier: GPL-2.0-only
"""Replaces the text of a recipe that EasyBuild is reading by the adapted one."""
import copy

from easybuild.framework.easyconfig.default import DEFAULT_CONFIG
from easybuild.framework.easyconfig.easyconfig import triage_easyconfig_params
from easybuild.tools.build_log import EasyBuildError

from ..recipe import Recipe, parser_of


def replace(ec, text: str, path: str) -> None:
    """
    Make an EasyConfig that is being parsed say what `text` says, as if it had been read from `path`.

    EasyBuild then archives and records that file, and copies of the object (bundles make them) start from it.

    :param ec: the EasyConfig object, as a parse hook gets it
    :raises EasyBuildError: its toolchain was looked at already, so it is too late
    """
    if ec._toolchain is not None:
        raise EasyBuildError('lumi-hooks: the toolchain of %s was used before the recipe was adapted; another hook '
                             'that runs before ours does that', path)
    old, _ = triage_easyconfig_params(ec.parser.get_config_dict(), ec._config)
    ec.parser = parser_of(text, path)
    ec.rawtxt, ec.path = text, path
    new, ec.unknown_keys = triage_easyconfig_params(ec.parser.get_config_dict(), ec._config)
    for key in old:
        if key not in new and key in DEFAULT_CONFIG:
            ec._config[key] = copy.deepcopy(DEFAULT_CONFIG[key])
    ec.set_keys(new)


def glance(ec) -> Recipe:
    """
    What an EasyConfig that is being parsed says, without reading its text again: enough to see that it stays as it
    is, for nothing (a recipe is read in milliseconds). It lacks what EasyBuild ignores, such as local variables.
    """
    parameters = {key: value[0] for key, value in ec._config.items()}
    toolchain = parameters['toolchain']
    return Recipe(parameters['name'], str(parameters['version']), parameters['versionsuffix'] or '',
                  (toolchain['name'], str(toolchain['version'])), parameters, ec.rawtxt, ec.path)
