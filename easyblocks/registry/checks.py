# SPDX-License-Identifier: GPL-2.0-only
"""Commands of an easyblock's own sanity check that can't work where it runs."""
from easybuild.framework.easyblock import EasyBlock


class Checks(EasyBlock):
    """To be inherited from behind an easyblock, which hands its commands to EasyBlock's sanity check."""

    def sanity_check_step(self, *args, **kwargs):
        """Check without the commands that why_not knows of; the log says which, and why."""
        kept = []
        for command in kwargs.get('custom_commands') or []:
            reason = self.why_not(command)
            if reason:
                self.log.warning('lumi-hooks: not checked, as %s: %s', reason, command)
            else:
                kept.append(command)
        if 'custom_commands' in kwargs:
            kwargs['custom_commands'] = kept
        return super().sanity_check_step(*args, **kwargs)

    def why_not(self, command):
        """Return why a command can't work here, None where it can."""
        return None
