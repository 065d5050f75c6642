"""A model's network: addresses, names and services, as in Kubernetes.

A pod has its own address and reaches everything through one gateway (no shared segment, as with
Calico): all traffic passes the model's outer namespace, where nftables gives an application's
service its virtual address. dnsmasq serves the names of the ``cluster.local`` domain from one file
per unit and per application.

Each model has its own outer namespace, so every model uses the same subnets.
"""

import ipaddress
import subprocess
import threading
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from localjuju.pods.namespaces import PodError

# MicroK8s' subnets.
_POD_SUBNET = ipaddress.ip_network('10.1.0.0/16')
_SERVICE_SUBNET = ipaddress.ip_network('10.152.183.0/24')
#: The outer namespace's own address, from which the controller connects to pods.
NODE_ADDRESS = '10.1.0.1'
DNS_ADDRESS = '10.152.183.10'
_GATEWAY = '169.254.1.1'
_FIRST_POD = int(_POD_SUBNET[2])
_FIRST_SERVICE = int(_SERVICE_SUBNET[20])


def run(argv: Sequence[str], *, stdin: str = '') -> str:
    """The stdout of a command; PodError with its stderr if it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise PodError(f'cannot run {" ".join(argv[:4])}: {done.stderr.strip() or done.stdout}')
    return done.stdout


def pod_name(unit: str) -> str:
    """The name and hostname of a unit's pod: ``app-0`` for ``app/0``."""
    return unit.replace('/', '-')


def unit_fqdn(unit: str, model: str) -> str:
    """The name that resolves to the address of the unit's pod."""
    app = unit.partition('/')[0]
    return f'{pod_name(unit)}.{app}-endpoints.{model}.svc.cluster.local'


def service_fqdn(app: str, model: str) -> str:
    """The name that resolves to the virtual address of the application's service."""
    return f'{app}.{model}.svc.cluster.local'


def resolv_conf(model: str) -> str:
    """A pod's resolv.conf, with the DNS policy ClusterFirst."""
    domains = f'{model}.svc.cluster.local svc.cluster.local cluster.local'
    return f'search {domains}\nnameserver {DNS_ADDRESS}\noptions ndots:5\n'


def hosts(unit: str, model: str, address: str) -> str:
    """A pod's /etc/hosts, which makes getfqdn() return the unit's full name."""
    return (
        '# Kubernetes-managed hosts file.\n'
        '127.0.0.1\tlocalhost\n'
        '::1\tlocalhost ip6-localhost ip6-loopback\n'
        f'{address}\t{unit_fqdn(unit, model)}\t{pod_name(unit)}\n'
    )


def _device(address: str) -> str:
    """The outer end of a pod's link."""
    return f'pod{int(ipaddress.ip_address(address)) - int(_POD_SUBNET[0])}'


class Service:
    """An application's service: a virtual address, the opened ports, the ready units."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.ports: list[tuple[str, int]] = []
        self.endpoints: list[str] = []

    def rules(self) -> Iterable[str]:
        """nftables rules that send each new connection to a random endpoint."""
        if not self.endpoints:
            return
        choices = ', '.join(f'{i} : {address}' for i, address in enumerate(self.endpoints))
        target = f'numgen random mod {len(self.endpoints)} map {{ {choices} }}'
        for protocol, port in self.ports:
            yield f'ip daddr {self.address} {protocol} dport {port} dnat to {target}'


def ruleset(services: Iterable[Service]) -> str:
    """The whole nftables table, to replace the previous one in a single transaction.

    A connection to a service's address that no rule translates (port not opened, no unit ready)
    is refused immediately. Source addresses stay, except when a pod reaches itself through its own
    service: there the answer must come back through the translation.
    """
    services = list(services)
    translate = '\n    '.join(rule for service in services for rule in service.rules())
    endpoints = sorted({address for service in services for address in service.endpoints})
    itself = ', '.join(f'{address} . {address}' for address in endpoints)
    hairpin = f'ip saddr . ip daddr {{ {itself} }} snat to {NODE_ADDRESS}' if endpoints else ''
    virtual = f'ip daddr {_SERVICE_SUBNET} ip daddr != {DNS_ADDRESS}'
    refuse = f'{virtual} meta l4proto tcp reject with tcp reset\n    {virtual} reject'
    return f"""
table ip localjuju
delete table ip localjuju
table ip localjuju {{
  chain translate {{
    {translate}
  }}
  chain prerouting {{
    type nat hook prerouting priority -100
    jump translate
  }}
  chain output {{
    type nat hook output priority -100
    jump translate
  }}
  chain postrouting {{
    type nat hook postrouting priority 100
    {hairpin}
  }}
  chain refuse_forwarded {{
    type filter hook forward priority 0
    {refuse}
  }}
  chain refuse_own {{
    type filter hook output priority 0
    {refuse}
  }}
}}
"""


class Network:
    """The network of one model. Several threads may call its methods."""

    def __init__(self, model: str, state: Path) -> None:
        """Bring up the outer namespace's side.

        Args:
            model: the model's name, part of every DNS name.
            state: a folder on a file system that disappears with the namespaces.
        """
        self._model = model
        self._namespaces = state / 'netns'
        self._names = state / 'dns'
        self._lock = threading.Lock()
        self._next_pod = _FIRST_POD
        self._next_service = _FIRST_SERVICE
        self._addresses: dict[str, str] = {}
        self._services: dict[str, Service] = {}
        self._namespaces.mkdir()
        self._names.mkdir()
        self._bring_up()
        self._dns = self._start_dns(state / 'dnsmasq.log')
        resolver = state / 'resolv.conf'
        resolver.write_text(resolv_conf(model))
        nsswitch = state / 'nsswitch.conf'
        nsswitch.write_text('passwd: files\ngroup: files\nhosts: files dns\n')
        # The controller, and programs that it runs here, resolve the model's names.
        for file in resolver, nsswitch:
            if Path('/etc', file.name).exists():
                run(['mount', '--bind', str(file), f'/etc/{file.name}'])

    def _bring_up(self) -> None:
        batch = f"""
            link set lo up
            addr add {NODE_ADDRESS}/32 dev lo
            addr add {DNS_ADDRESS}/32 dev lo
            route add {_SERVICE_SUBNET} dev lo src {NODE_ADDRESS}
        """
        run(['ip', '-batch', '-'], stdin=batch)
        Path('/proc/sys/net/ipv4/ip_forward').write_text('1')
        run(['nft', '-f', '-'], stdin=ruleset([]))

    def _start_dns(self, log: Path) -> subprocess.Popen[bytes]:
        argv = (
            'dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts'
            f' --hostsdir={self._names} --listen-address={DNS_ADDRESS} --bind-interfaces'
            ' --local-ttl=0 --local=/#/ --pid-file= --user=root --group=root'
        )
        with log.open('wb') as output:
            return subprocess.Popen(
                [*argv.split(), '--log-facility=-'],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def namespace(self, unit: str) -> Path:
        """The file that holds the network namespace of a unit's pod."""
        return self._namespaces / pod_name(unit)

    def add_pod(self, unit: str) -> str:
        """Give a pod its namespace, address and name; return the address.

        As in Kubernetes, an address is reused only after all others.
        """
        with self._lock:
            address = self._free_address()
            self._addresses[unit] = address
        device = _device(address)
        inside = f"""
            link set lo up
            link add eth0 type veth peer name {device} netns 1
            addr add {address}/32 dev eth0
            link set eth0 up
            route add {_GATEWAY} dev eth0 scope link
            route add default via {_GATEWAY}
        """
        outside = f"""
            addr add {_GATEWAY}/32 dev {device}
            link set {device} up
            route add {address}/32 dev {device} src {NODE_ADDRESS}
        """
        namespace = self.namespace(unit)
        namespace.touch()
        run(['unshare', f'--net={namespace}', 'ip', '-batch', '-'], stdin=inside)
        run(['ip', '-batch', '-'], stdin=outside)
        app = unit.partition('/')[0]
        endpoints = f'{app}-endpoints.{self._model}.svc.cluster.local'
        self._publish(pod_name(unit), f'{address} {unit_fqdn(unit, self._model)} {endpoints}\n')
        return address

    def remove_pod(self, unit: str) -> None:
        """Undo `add_pod`. The pod's processes must have ended."""
        (self._names / pod_name(unit)).unlink(missing_ok=True)
        namespace = self.namespace(unit)
        if namespace.exists():
            run(['umount', str(namespace)])
            namespace.unlink()
        with self._lock:
            address = self._addresses.pop(unit, None)
        # The kernel removes the device with the namespace, but only some time later.
        if address:
            subprocess.run(['ip', 'link', 'delete', _device(address)], capture_output=True)

    def _free_address(self) -> str:
        in_use = set(self._addresses.values())
        for _ in range(_POD_SUBNET.num_addresses):
            candidate = str(ipaddress.ip_address(self._next_pod))
            self._next_pod += 1
            if self._next_pod >= int(_POD_SUBNET.broadcast_address):
                self._next_pod = _FIRST_POD
            if candidate not in in_use:
                return candidate
        raise PodError('cannot give the pod an address: none is free')

    def _publish(self, name: str, text: str) -> None:
        """Write a file of names atomically; dnsmasq ignores files that start with a dot."""
        draft = self._names / f'.{name}'
        draft.write_text(text)
        draft.replace(self._names / name)

    def set_service(
        self, app: str, ports: Collection[tuple[str, int]], units: Collection[str]
    ) -> None:
        """Make the application's service reach these ports of these units, and no others.

        Args:
            app: the application; its service gets an address at the first call and keeps it.
            ports: pairs like ``('tcp', 8080)``.
            units: the ready units; units without a pod do not count.
        """
        with self._lock:
            new = app not in self._services
            if new:
                self._services[app] = Service(self._free_service_address())
            service = self._services[app]
            service.ports = sorted(ports)
            ready = sorted(units)
            service.endpoints = [self._addresses[u] for u in ready if u in self._addresses]
            run(['nft', '-f', '-'], stdin=ruleset(self._services.values()))
        if new:
            name = service_fqdn(app, self._model)
            self._publish(f'service.{app}', f'{service.address} {name}\n')

    def remove_service(self, app: str) -> None:
        """Remove the application's service, its name and its address, if it has one."""
        (self._names / f'service.{app}').unlink(missing_ok=True)
        with self._lock:
            if self._services.pop(app, None):
                run(['nft', '-f', '-'], stdin=ruleset(self._services.values()))

    def _free_service_address(self) -> str:
        in_use = {service.address for service in self._services.values()}
        for number in range(_FIRST_SERVICE, int(_SERVICE_SUBNET.broadcast_address)):
            address = str(ipaddress.ip_address(number))
            if address not in in_use:
                return address
        raise PodError('cannot give the service an address: none is free')

    def close(self) -> None:
        """Stop the name server. Devices and rules end with the namespaces."""
        self._dns.terminate()
        self._dns.wait()
