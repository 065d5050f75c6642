"""A coordinator unit that has a CA: what it asks for, serves with and tells others."""

import dataclasses

import authority
import hostile
import juju
import nginxconf
from coordinator import scene

CA = authority.authority()
HOST = scene.host('coordinator/0')
SERVICE = 'coordinator.m.svc.cluster.local'
OTHER_UNIT = scene.encoded(
    address=scene.host('coordinator/1'),
    certificate={'chain': CA.certificate, 'ca': CA.certificate},
)
"""What a coordinator unit publishes that serves nothing but TLS any more."""


def asking(unit):
    """The state of one that has asked for a certificate and got none."""
    return unit.update_status(
        unit.state(
            scene.workers('w', id=11),
            scene.scraper(id=14),
            scene.peers(databags={1: OTHER_UNIT}, id=19),
            scene.certificates(id=20),
        )
    )


def request(state):
    """The one request that the unit has at its CA."""
    (found,) = authority.requests(state.get_relation(20).local_unit_data)
    return found


def server(unit):
    """What nginx is told of the server that clients reach, without the locations."""
    (http,) = [d for d in nginxconf.parse(unit.config) if d.words == ('http',)]
    (first, *_) = [d for d in http.block or () if d.words == ('server',)]
    return [' '.join(d.words) for d in first.block or () if d.words[0] != 'location']


def files(unit):
    """The files with certificates and key: name → content."""
    return {path.name: path.read_text() for path in unit.folder.glob('tls-*')}


def outcome(unit, state):
    """All that TLS is made of."""
    published = state.get_relation(11).local_app_data.get('ca_cert')
    kept = state.get_relation(19).local_unit_data.get('certificate')
    return server(unit), files(unit), published, kept


def is_tls(unit):
    """Whether nginx serves TLS with a file that is there."""
    (name,) = files(unit)
    return f'ssl_certificate /etc/nginx/{name}' in server(unit)


def expired(unit, state):
    """The state after Juju said that the time of the certificate is nearly over."""
    (secret,) = [s for s in state.secrets if '-certificate-' in (s.label or '')]
    return unit.ctx.run(unit.ctx.on.secret_expired(secret, revision=1), state)


def with_fresh_pod(unit, state):
    """The state of a unit whose pod came back with nothing but what Juju keeps."""
    for path in (*unit.folder.iterdir(), *unit.exporter_folder.iterdir()):
        path.unlink()
    fresh = [unit.nginx(), unit.exporter()]
    return dataclasses.replace(state, containers=fresh, stored_states=[])


def commands(unit):
    """What was run in nginx's container."""
    return [' '.join(execution.command[:2]) for execution in unit.ctx.exec_history['nginx']]


GARBAGE = {
    'empty': '',
    'a text': 'text',
    'null byte': 'a\0',
    'half a surrogate pair': '\ud800',
    'one megabyte': hostile.LONG,
    'no base64': '-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n',
    'no X.509': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    'a key': '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
    'half of it': CA.certificate[:-60],
    'breaks out': CA.certificate + 'ssl_protocols TLSv1;\n',
    'many': CA.certificate * 100,
    'a number': 1,
    'nothing': None,
    'a list': [CA.certificate],
}
"""What is no certificate."""


def ignored(unit, state):
    """The state after update-status, and who was left out in it."""
    with unit.ctx(unit.ctx.on.update_status(), state) as manager:
        return manager.run(), [item.name for item in manager.charm.report.ignored]


def check_harmless(unit, state, calls, databag, names):
    """A databag takes nothing away, is named once and for all, and then all is quiet."""
    before, asked = outcome(unit, state), request(state)
    after, named = ignored(unit, scene.answered(unit, state, databag))
    assert outcome(unit, after) == before
    assert named == names
    assert request(after) == asked
    logged = [text for text in juju.warnings(unit.ctx) if 'ignored: ' in text]
    assert all(len(text) < 400 and text.isprintable() for text in logged)
    if names:
        assert 'ignored: ca (' in after.unit_status.message
        assert len(after.unit_status.message) < 400
    calls.clear()
    again, still_named = ignored(unit, after)
    assert (still_named, again.unit_status) == (named, after.unit_status)
    assert calls.changes() == []
    assert [text for level, text in calls.of('juju-log') if level != 'DEBUG'] == []
