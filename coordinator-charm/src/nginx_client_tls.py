"""What nginx.conf says about TLS to clients: pure.

While TLS is turned on or off, one port serves both that and plain HTTP, so no client needs to know
when which unit changes.
"""

from coordinated_telemetry import cluster

PLAIN = '127.0.0.1:8082'
"""Where the server with TLS passes plain HTTP on.

Every configuration listens here: what an nginx is passing on when it reloads finds the next one.
"""

_TLS = """\
        http2 on;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        ssl_protocols TLSv1.2 TLSv1.3;
"""

# 497 is nginx's own status for plain HTTP on a TLS port.
_TO_HTTPS = f"""\
        error_page 497 =308 https://$host:{cluster.COORDINATOR_PORT}$request_uri;
"""

# A server has TLS or not, so what came without it goes through a server of its own. That one sets
# all headers and writes the access log; here, what the client said passes. No role can have the
# name of that upstream.
_TO_PLAIN = """\
        error_page 497 = @plain;
        location @plain {
            access_log off;
            proxy_set_header Upgrade $upgrade;
            proxy_set_header Connection $upgrade_connection;
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_pass http://_plain;
        }
"""

_UPSTREAM = f"""
    upstream _plain {{
        server {PLAIN};
        keepalive 64;
    }}
"""

_SERVER = f"""
    server {{{{
        listen {PLAIN};
        set_real_ip_from 127.0.0.1;
{{locations}}    }}}}
"""


def directives(certificate: str, *, serves_plain: bool) -> str:
    """The directives of the server block that serves TLS.

    Args:
        certificate: path of the file with certificates and key.
        serves_plain: whether plain HTTP is served on the same port, by `plain_server`; otherwise
            it is redirected to https.
    """
    return _TLS.format(certificate=certificate) + (_TO_PLAIN if serves_plain else _TO_HTTPS)


def plain_server(locations: str, *, serves_plain: bool) -> str:
    """The server for what comes without TLS.

    Args:
        locations: the location blocks of the server with TLS, which it serves, too.
        serves_plain: as for `directives`.
    """
    return (_UPSTREAM if serves_plain else '') + _SERVER.format(locations=locations)
