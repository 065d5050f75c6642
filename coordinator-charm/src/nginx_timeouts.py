"""How long nginx waits, in seconds.

docs/reference.md says what each means to clients and workers.
"""

CONNECT_TIMEOUT = 1
"""How long a worker may take to accept a connection, and for each step of a TLS handshake.

Then nginx tries the next worker.
"""
READ_TIMEOUT = 60
"""How long a worker that has the request may send nothing; then the client gets 504.

On a WebSocket, how long both sides may be silent.
"""
SEND_TIMEOUT = 60
"""How long a worker may accept nothing of the request; then the client gets 504."""
RETRY_TIMEOUT = 10
"""How long after its start a request may still go to another worker."""
CLIENT_TIMEOUT = 60
"""How long a client may send nothing of its request, or accept nothing of the response."""
KEEPALIVE_TIMEOUT = 75
"""How long a client's connection may be idle between two requests."""
KEEPALIVE_MIN_TIMEOUT = 10
"""How long nginx keeps an idle connection open even when it reloads or needs the connection."""
SHUTDOWN_TIMEOUT = 20
"""How long requests and WebSockets in flight may last when nginx reloads or stops."""
GRPC_IDLE_TIMEOUT = 600
"""How long both sides of a gRPC call may be silent; a client's deadline may be shorter."""
STREAM_IDLE_TIMEOUT = 600
"""How long a connection to a role that does not speak HTTP may be silent both ways."""
