#!/usr/bin/env python3
"""podinfo, as the operator configures it."""

import dataclasses
import json

import ops

CONTAINER = 'web'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The options of the charm."""

    message: str
    port: int
    timeout: float
    random_error: bool
    token: ops.Secret | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a value that makes no sense."""
        if not 1023 < self.port < 65536:
            raise ValueError(f'port: {self.port} is not between 1024 and 65535')
        if self.timeout <= 0:
            raise ValueError(f'timeout: {self.timeout} is not positive')

    def options(self) -> dict[str, str | int | float | bool]:
        """The options that are no secret, by the names that operators know."""
        return {
            'message': self.message,
            'port': self.port,
            'timeout': self.timeout,
            'random-error': self.random_error,
        }

    def secret(self) -> str:
        """The token, or the empty string."""
        return self.token.get_content(refresh=True)['value'] if self.token else ''


class GreetingCharm(ops.CharmBase):
    """Each unit serves the greeting."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        self._container = self.unit.get_container(CONTAINER)
        for event in (
            self.on.config_changed,
            self.on.secret_changed,
            self.on.upgrade_charm,
            self.on.web_pebble_ready,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.collect_unit_status, self._collect_status)
        framework.observe(self.on.describe_action, self._describe)

    def _reconcile(self, _: ops.EventBase) -> None:
        """Serve what is configured; with a wrong option, keep serving what was."""
        try:
            config = self.load_config(Config)
            layer = self._layer(config)
        except (ValueError, KeyError, ops.ModelError):
            return
        self.unit.set_ports(config.port)
        if self._container.can_connect():
            self._container.add_layer(CONTAINER, layer, combine=True)
            self._container.replan()

    def _layer(self, config: Config) -> ops.pebble.Layer:
        command = [
            '/home/app/podinfo',
            '--ui-path=/home/app/ui',
            f'--port={config.port}',
            f'--http-client-timeout={config.timeout}s',
            f'--random-error={str(config.random_error).lower()}',
        ]
        return ops.pebble.Layer(
            {
                'services': {
                    CONTAINER: {
                        'override': 'replace',
                        'summary': 'podinfo',
                        'command': ' '.join(command),
                        'startup': 'enabled',
                        # podinfo takes --ui-message from here too, without quotes.
                        'environment': {
                            'PODINFO_UI_MESSAGE': config.message,
                            'TOKEN': config.secret(),
                        },
                    }
                }
            }
        )

    def _collect_status(self, event: ops.CollectStatusEvent) -> None:
        try:
            config = self.load_config(Config)
            config.secret()
        except ValueError as e:
            event.add_status(ops.BlockedStatus(f'[config] {e}'))
            return
        except KeyError:
            event.add_status(ops.BlockedStatus('[config] token: it has no key "value"'))
            return
        except ops.ModelError:
            event.add_status(ops.BlockedStatus('[config] token: grant it to this application'))
            return
        if not self._container.can_connect():
            event.add_status(ops.WaitingStatus('waiting for Pebble'))
        with_token = ' with a token' if config.token else ''
        event.add_status(
            ops.ActiveStatus(f'serving "{config.message}" on {config.port}{with_token}')
        )

    def _describe(self, event: ops.ActionEvent) -> None:
        config = self.load_config(Config)
        options = config.options()
        wanted = event.params.get('options', list(options))
        chosen = {name: options[name] for name in wanted}
        event.set_results({'config': json.dumps(chosen, indent=event.params['indent'])})
        if event.params['show-token']:
            event.set_results({'token': config.secret()})


if __name__ == '__main__':  # pragma: nocover
    ops.main(GreetingCharm)
