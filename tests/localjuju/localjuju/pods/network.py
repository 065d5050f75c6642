"""A model's network: addresses, names and services, as in Kubernetes.

A pod has its own address and reaches everything through one gateway (no shared segment, as with
Calico): all traffic passes the model's outer namespace, where nftables gives an application's
service its virtual address. dnsmasq serves the names of the ``cluster.local`` domain from one file
per unit and per application.

Each model has its own outer namespace and, by its number, its own subnets. Models that are related
get a link between their namespaces: then pods reach each other's addresses and services, and each
model's name server asks the other's, as if all were in one cluster.
"""

import ipaddress
import signal
import subprocess
import threading
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from localjuju.pods.namespaces import PodError, in_user_namespace

#: Where each model's own name server answers, as in MicroK8s.
DNS_ADDRESS = '10.152.183.10'
_GATEWAY = '169.254.1.1'


class Subnets:
    """The addresses of a model, by its number (1 to 250): for the first one, MicroK8s' own.

    Attributes:
        pods: the subnet of its pods.
        services: the subnet of its services.
        node: the outer namespace's own address, from which the controller connects to pods, and
            where other models reach the name server.
    """

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.pods = ipaddress.ip_network(f'10.{number}.0.0/16')
        self.services = ipaddress.ip_network(f'10.152.{(182 + number) % 256}.0/24')
        self.node = str(self.pods[1])

    @property
    def link(self) -> str:
        """The name of the device that leads to this model, in each other's namespace."""
        return f'model{self.number}'


def run(argv: Sequence[str], *, stdin: str = '', pass_fds: Sequence[int] = ()) -> str:
    """The stdout of a command; PodError with its stderr if it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, pass_fds=pass_fds)
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
    return f'pod{int(ipaddress.ip_address(address)) % 2**16}'


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


def ruleset(services: Iterable[Service], subnets: Subnets) -> str:
    """The whole nftables table, to replace the previous one in a single transaction.

    A connection to a service's address that no rule translates (port not opened, no unit ready)
    is refused immediately. Source addresses stay, except when a pod reaches itself through its own
    service: there the answer must come back through the translation.
    """
    services = list(services)
    translate = '\n    '.join(rule for service in services for rule in service.rules())
    endpoints = sorted({address for service in services for address in service.endpoints})
    itself = ', '.join(f'{address} . {address}' for address in endpoints)
    hairpin = f'ip saddr . ip daddr {{ {itself} }} snat to {subnets.node}' if endpoints else ''
    virtual = f'ip daddr {subnets.services} ip daddr != {DNS_ADDRESS}'
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

    def __init__(self, model: str, state: Path, subnets: Subnets) -> None:
        """Bring up the outer namespace's side.

        Args:
            model: the model's name, part of every DNS name.
            state: a folder on a file system that disappears with the namespaces.
            subnets: the model's own.
        """
        self._model = model
        self._subnets = subnets
        self._namespaces = state / 'netns'
        self._names = state / 'dns'
        self._lock = threading.Lock()
        self._next_pod = int(subnets.pods[2])
        self._addresses: dict[str, str] = {}
        self._services: dict[str, Service] = {}
        self._namespaces.mkdir()
        self._names.mkdir()
        #: The name servers of the models to which there is a link, by model.
        self._servers: dict[str, str] = {}
        self._servers_file = state / 'dns-servers'
        self._servers_file.touch()
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
            addr add {self._subnets.node}/32 dev lo
            addr add {DNS_ADDRESS}/32 dev lo
            route add {self._subnets.services} dev lo src {self._subnets.node}
        """
        run(['ip', '-batch', '-'], stdin=batch)
        Path('/proc/sys/net/ipv4/ip_forward').write_text('1')
        run(['nft', '-f', '-'], stdin=ruleset([], self._subnets))

    def _start_dns(self, log: Path) -> subprocess.Popen[bytes]:
        argv = (
            'dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts'
            f' --hostsdir={self._names} --servers-file={self._servers_file}'
            f' --listen-address={DNS_ADDRESS},{self._subnets.node} --bind-interfaces'
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
            route add {address}/32 dev {device} src {self._subnets.node}
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
        pods = self._subnets.pods
        for _ in range(pods.num_addresses):
            candidate = str(ipaddress.ip_address(self._next_pod))
            self._next_pod += 1
            if self._next_pod >= int(pods.broadcast_address):
                self._next_pod = int(pods[2])
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
            run(['nft', '-f', '-'], stdin=ruleset(self._services.values(), self._subnets))
        if new:
            name = service_fqdn(app, self._model)
            self._publish(f'service.{app}', f'{service.address} {name}\n')

    def remove_service(self, app: str) -> None:
        """Remove the application's service, its name and its address, if it has one."""
        (self._names / f'service.{app}').unlink(missing_ok=True)
        with self._lock:
            if self._services.pop(app, None):
                run(['nft', '-f', '-'], stdin=ruleset(self._services.values(), self._subnets))

    def _free_service_address(self) -> str:
        in_use = {service.address for service in self._services.values()}
        subnet = self._subnets.services
        for number in range(int(subnet[20]), int(subnet.broadcast_address)):
            address = str(ipaddress.ip_address(number))
            if address not in in_use:
                return address
        raise PodError('cannot give the service an address: none is free')

    # Other models

    def link(self, number: int, namespace: int) -> None:
        """Make the link to another model; each side must then `join` the other.

        Args:
            number: the other model's number.
            namespace: a file descriptor of its outer network namespace.

        Raises:
            PodError: if that fails, or without root: the other model then belongs to another
                user namespace, over which this one has no power.
        """
        if in_user_namespace():
            raise PodError('cannot link the networks of two models: run as root')
        near, far = Subnets(number).link, self._subnets.link
        target = f'/proc/self/fd/{namespace}'
        argv = f'ip link add {near} type veth peer name {far} netns {target}'
        try:
            run(argv.split(), pass_fds=[namespace])
        except PodError as e:
            # The other side may have made it, earlier or at this moment.
            if 'File exists' not in str(e):
                raise

    def join(self, model: str, number: int) -> None:
        """Use the link to another model: for its pods, its services and its names."""
        other = Subnets(number)
        link = f'dev {other.link} src {self._subnets.node}'
        batch = f"""
            link set {other.link} up
            route replace {other.node}/32 {link}
            route replace {other.pods} via {other.node} {link}
            route replace {other.services} via {other.node} {link}
        """
        with self._lock:
            run(['ip', '-batch', '-'], stdin=batch)
            # A dead model may have had this number before, and `part` is still to come.
            others = {m: node for m, node in self._servers.items() if node != other.node}
            self._servers = {**others, model: other.node}
            self._write_servers()

    def part(self, model: str) -> None:
        """Forget another model, which is gone."""
        with self._lock:
            if node := self._servers.pop(model, None):
                self._write_servers()
                # The kernel removes the link with the other namespace, but only some time later.
                number = int(node.split('.')[1])
                argv = ['ip', 'link', 'delete', Subnets(number).link]
                subprocess.run(argv, capture_output=True)

    def _write_servers(self) -> None:
        lines = (f'server=/{m}.svc.cluster.local/{node}\n' for m, node in self._servers.items())
        self._servers_file.write_text(''.join(lines))
        self._dns.send_signal(signal.SIGHUP)

    def close(self) -> None:
        """Stop the name server. Devices and rules end with the namespaces."""
        self._dns.terminate()
        self._dns.wait()
