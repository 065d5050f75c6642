"""The process of a model's controller: `python3 -m localjuju.controller.main`.

It runs inside the model's outer namespaces (`namespaces.launch`), and ends when the process that
owns the model ends, or, without an owner, when nobody has requested anything for a while;
everything that it started ends with it.
"""

import argparse
import json
import logging
import os
import select
import socket
import sys
import threading

from localjuju.common import cache, registry, runtime
from localjuju.controller import server
from localjuju.controller.controller import Controller
from localjuju.model import hooktools
from localjuju.model.charmmeta import ModelError
from localjuju.model.model import Model
from localjuju.pods.pods import PodError, Pods

log = logging.getLogger(__name__)

#: Seconds for the answers that are on their way when a model ends: `juju destroy-model` waits.
_ANSWER_SECONDS = 1.0


def _await_owner(descriptor: int, controller: Controller) -> None:
    """Wait until the owner has ended or the model is destroyed."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not controller.ended.wait(0):
        if poll.poll(200):
            log.info('the owner ended')
            return


def await_idleness(controller: Controller, seconds: float) -> None:
    """Wait until nobody has requested anything for so long, or the model is destroyed."""
    while (left := seconds - controller.requests.idle()) > 0:
        if controller.ended.wait(left):
            return
    log.info('nobody has requested anything for %g s', seconds)


def main() -> None:
    """Run the controller of a model until its owner ends or it is destroyed."""
    parser = argparse.ArgumentParser(description='The controller of a local model.')
    parser.add_argument('name')
    life = parser.add_mutually_exclusive_group(required=True)
    life.add_argument('--owner-fd', type=int, help='a pidfd of the process that owns the model')
    life.add_argument('--idle', type=float, help='seconds without a request that end the model')
    parser.add_argument('--config', default='{}', help='the model config, as JSON')
    arguments = parser.parse_args()
    logging.basicConfig(format='%(asctime)s %(levelname)s %(message)s', level=logging.INFO)
    cache.use(runtime.folder())
    folder = registry.folder(arguments.name)
    try:
        number = registry.number(arguments.name)
        pods = Pods(arguments.name, folder, hooktools.NAMES, number)
    except PodError as e:
        sys.exit(f'ERROR {e}')
    controller = Controller(Model(arguments.name), pods, pods.state / 'model')
    try:
        server.run(controller, 'set-model-config', json.loads(arguments.config))
    except ModelError as e:
        sys.exit(f'ERROR {e}')
    path = registry.control_socket(arguments.name)
    draft = path.with_name('new.sock')
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(draft))
    listener.listen(128)
    draft.rename(path)
    threading.Thread(target=server.serve, args=(controller, listener), daemon=True).start()
    if arguments.idle is None:
        _await_owner(arguments.owner_fd, controller)
    else:
        await_idleness(controller, arguments.idle)
    if controller.ended.is_set():
        controller.exchange.end()
    controller.requests.finish(_ANSWER_SECONDS)
    registry.forget(arguments.name)
    # No cleanup of threads and pods: the kernel ends them all with this process.
    os._exit(0)


if __name__ == '__main__':
    main()
