"""Groups whose commands are not all known to click: some are files, found when they are asked for."""

from __future__ import annotations

import difflib

import click


class CommandGroup(click.Group):
    """Refuses an unknown command with the nearest of all that `list_commands` names.

    Click itself looks among those only that were added to the group.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], names, n=1)
            meant = f" Did you mean '{near[0]}'?" if near else f" {ctx.command_path} --help lists all."
            raise click.UsageError(f"No such command '{args[0]}'.{meant}", ctx)
        return super().resolve_command(ctx, args)
