"""The workers of a role in nginx.conf."""

from coordinator.source import nginx_upstream


def test_each_worker_is_a_server_and_has_room_in_the_zone():
    text = nginx_upstream.upstream(
        'gate', ['a', '::1'], 7070, with_tls=True, more='        keepalive 1;\n'
    )
    assert text == (
        '\n    upstream gate {\n'
        '        zone gate 272k;\n'
        '        server a:7070 resolve max_fails=1 fail_timeout=1s;\n'
        '        server [::1]:7070 resolve max_fails=1 fail_timeout=1s;\n'
        '        keepalive 1;\n'
        '    }\n'
    )
