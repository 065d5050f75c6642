"""A pair of one's own: names, what means something else, and how it follows the reference."""

import re
import subprocess

import hcl2
import pytest
import yaml

import deployment
import further_roles
import new_charm
from new_charm import Error, Names, Renamer, renamed

NAMES = Names('web-store', ('query-edge', 'store'))


def git(folder, *arguments):
    command = ['git', '-C', str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place for a new repository, made without formatting, which needs a program."""
    monkeypatch.setattr(new_charm, '_format', lambda folder: None)
    return tmp_path / 'operators'


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A folder with all files of a new repository."""
    folder = tmp_path_factory.mktemp('made')
    new_charm.generate(NAMES, folder, 'HEAD')
    return folder


@pytest.mark.parametrize(
    ('name', 'what'),
    [
        ('', 'NAME: missing'),
        ('Webstore', "'Webstore' is no name"),
        ('web_store', "'web_store' is no name"),
        ('9store', "'9store' is no name"),
        ('store-9', "'store-9' is no name"),
        ('store-', "'store-' is no name"),
        ('störe', "'störe' is no name"),
        ('s' * 41, 'at most 40'),
        ('a\n', 'is no name'),
    ],
)
def test_a_name_that_juju_refuses_is_refused(name, what):
    with pytest.raises(Error, match=f'NAME: .*{what.removeprefix("NAME: ")}'):
        Names(name)


@pytest.mark.parametrize(
    ('roles', 'what'),
    [
        (('edge',), 'at least 2 names .* begin with two, and take the second out'),
        (tuple(f'r-{letter}' for letter in 'abcdefghijklm'), 'at most 12 names, and got 13'),
        (('edge', 'edge'), '"edge" is there twice'),
        (('edge', 'store', 'store'), '"store" is there twice'),
        (('edge', 'tempo'), '"tempo" already means something'),
        (('edge', 'channel'), '"channel" already means something'),
        (('import', 'store'), '"import" already means something'),
        (('edge', 'all'), '"all" already means something'),
        (('edge', 'no role'), "'no role' is no name"),
        (('edge', ''), 'ROLES: missing'),
    ],
)
def test_roles_that_cannot_be_are_refused(roles, what):
    with pytest.raises(Error, match=what):
        Names('webstore', roles)


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        ('worker-k8s_amd64.charm', 'web-store-worker-k8s_amd64.charm'),
        ('tempo-worker-k8s', 'tempo-worker-k8s'),
        ('interface: coordinator_cluster', 'interface: web_store_cluster'),
        ('interface: worker_peers', 'interface: web_store_worker_peers'),
    ],
)
def test_charms_and_interfaces_get_the_name(before, after):
    assert Renamer(NAMES).names(before) == after


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        ('role-frontend', 'role-query-edge'),
        ('role_frontend', 'role_query_edge'),
        ('Frontends and backends', 'Query-edges and stores'),
        ('http://frontend-0.frontend-endpoints', 'http://query-edge-0.query-edge-endpoints'),
        ('/backend/headers', '/store/headers'),
        ('FRONTENDS', 'QUERY_EDGES'),
        ('calls_the_backend', 'calls_the_store'),
        ('--backend-url=http://x:8080/backend/', '--backend-url=http://x:8080/store/'),
        ('build-backend = "hatchling"', 'build-backend = "hatchling"'),
        ('add-secret-backend', 'add-secret-backend'),
        ('DEBIAN_FRONTEND', 'DEBIAN_FRONTEND'),
        ('backended', 'backended'),
    ],
)
def test_roles_get_theirs_and_what_means_something_else_stays(before, after):
    assert Renamer(NAMES).roles(before) == after


def test_in_python_a_role_has_no_hyphen_except_in_strings():
    text = (
        'def of(frontend, *, tls):\n'
        "    'Each frontend.'\n"
        "    return f'{frontend}/frontend', frontend.backend  # not frontend-1\n"
    )
    assert Renamer(NAMES).python(text) == (
        'def of(query_edge, *, tls):\n'
        "    'Each query-edge.'\n"
        "    return f'{query_edge}/query-edge', query_edge.store  # not query-edge-1\n"
    )


def test_the_own_projects_keep_their_words():
    text = b'a frontend of worker-k8s'
    assert renamed('lib/README.md', text, NAMES)[1] == b'a frontend of web-store-worker-k8s'
    assert renamed('docs/a.md', text, NAMES)[1] == b'a query-edge of web-store-worker-k8s'


def test_a_file_that_is_no_text_stays():
    assert renamed('docs/a.png', b'\x89frontend', NAMES) == ('docs/a.png', b'\x89frontend')


def test_nothing_is_left_of_the_reference(made):
    for path in made.rglob('*'):
        if path.is_symlink() or not path.is_file():
            continue
        relative = str(path.relative_to(made))
        text = path.read_bytes().decode(errors='replace')
        for kept in (*new_charm.KEPT, 'web-store-worker-k8s', 'web-store-coordinator-k8s'):
            text = new_charm.re.sub(kept, '', text)
        for word in (
            'worker-k8s',
            'coordinator-k8s',
            'coordinator_cluster',
            'new-charm:',
            'tests/template',
        ):
            assert word not in text, relative
        if not relative.startswith(new_charm.OWN_PROJECTS):
            assert not new_charm.re.search(r'(?i)(?<![a-z])(frontend|backend)', text), relative


FURTHER = [
    ('edge', 'store'),
    ('store', 'edge', 'backend'),
    ('gateway', 'compactor', 'frontend-cache', 'store'),
    tuple(f'role-{letter}' for letter in 'abcdefghijkl'),
]


@pytest.fixture(scope='module', params=FURTHER, ids=lambda roles: str(len(roles)))
def with_roles(request, tmp_path_factory):
    """The roles of a new repository, and its folder."""
    folder = tmp_path_factory.mktemp('roles')
    new_charm.generate(Names('webstore', request.param), folder, 'HEAD')
    return request.param, folder


@pytest.fixture
def workload(with_roles, monkeypatch):
    """What the coordinator of a new repository says of its workload."""
    monkeypatch.setattr(deployment, 'ROOT', with_roles[1])
    return deployment.constants('coordinator-charm/src/workload.py')['WORKLOAD']


def test_every_role_is_required_and_part_of_the_meta_role(with_roles, workload):
    roles, _ = with_roles
    assert workload['roles']['minimal_deployment'] == dict.fromkeys(roles, 1)
    assert sorted(workload['roles']['meta_roles']['all']) == sorted(roles)


def test_every_role_is_an_option_of_the_worker(with_roles):
    roles, folder = with_roles
    charm = yaml.safe_load((folder / 'worker-charm/charmcraft.yaml').read_text())
    options = charm['config']['options']
    assert [*options] == ['role-all', *(f'role-{role}' for role in roles)]
    readme = (folder / 'worker-charm/README.md').read_text()
    for role in roles[1:]:
        assert options[f'role-{role}'] == {
            'type': 'boolean',
            'default': False,
            'description': f'Give the workers the role "{role}", which serves /{role}/.',
        }
        assert f'| `role-{role}` | false | `{role}`: serves `/{role}/` |\n' in readme


def test_every_role_has_a_path_and_the_demo_asks_for_it(with_roles, workload):
    (first, second, *further), _ = with_roles
    paths = {'/': first, **{f'/{role}/': role for role in (second, *further)}}
    assert workload['locations'] == paths
    # The last one calls the second role.
    asked = [deployment.arguments(one, 'path')['path'] for one in workload['examples']]
    assert asked == ['/', *sorted(f'/{role}/' for role in further), '/echo']


def test_every_role_is_deployed_by_terraform_and_known_to_the_probe(with_roles):
    roles, folder = with_roles
    [values] = hcl2.loads((folder / 'terraform/main.tf').read_text())['locals']
    workers = values['workers']
    assert {name: value.strip('${}') for name, value in workers.items()} == {
        role: f'var.{role}' for role in roles
    }
    variables = (folder / 'terraform/variables.tf').read_text()
    for role in roles:
        assert variables.count(f'\nvariable "{role}" {{\n') == 1
        assert variables.count(f'optional(string, "{role}")\n') == 1
    ruleset = yaml.safe_load((folder / 'probes/cluster-consistency.yaml').read_text())
    [given] = ruleset['probes'][0]['with']
    assert given['minimal_deployment'] == dict.fromkeys(roles, 1)
    assert sorted(given['meta_roles']['all']) == sorted(roles)


def test_every_role_is_in_the_commands_of_the_docs(with_roles):
    roles, folder = with_roles
    docs = (folder / 'docs/how-to/deploy.md').read_text()
    for role in roles:
        assert f'.charm {role} -n 2 \\\n    --config role-all=false --config role-{role}' in docs
        assert f'juju integrate coordinator:cluster {role}:cluster\n' in docs
    listed = ', '.join(f'`{role}`' for role in roles)
    assert f'roles that you give it: {listed}, or `all`' in (folder / 'README.md').read_text()


def test_two_roles_only_take_the_places_of_the_reference(tmp_path):
    for path in further_roles.COPIED:
        text = (new_charm.ROOT / path).read_text()
        new = renamed(path, text.encode(), Names('webstore'))[1].decode()
        assert text.count('\n') == new.count('\n') + text.count(new_charm._ABOUT_THE_TEMPLATE)


@pytest.mark.parametrize('path', further_roles.COPIED)
@pytest.mark.parametrize('times', [0, 2])
def test_a_place_for_a_role_that_is_gone_is_an_error(path, times):
    text = (new_charm.ROOT / path).read_text()
    for part in further_roles.COPIED[path]:
        found = new_charm.re.search(part.pattern, text, new_charm.re.MULTILINE)
        assert found
        part_of = text[: found.start()].rpartition('\n')[2] + found[0]
        changed = text.replace(part_of, '') if not times else f'{text}\n{text}'
        with pytest.raises(Error, match=f'{path}: cannot add a role: .*found it {times} times'):
            renamed(path, changed.encode(), Names('webstore', ('a', 'b', 'c')))
        renamed(path, changed.encode(), Names('webstore', ('a', 'b')))


def test_without_a_formatter_it_says_what_brings_one(tmp_path, monkeypatch):
    monkeypatch.setattr(new_charm.shutil, 'which', lambda name: None)
    with pytest.raises(Error, match=r'neither ruff nor uvx .* make new-charm'):
        new_charm.make(Names('webstore'), tmp_path / 'webstore-operators')
    assert [*tmp_path.iterdir()] == []


def test_it_has_a_readme_of_its_own_and_no_generator(made):
    readme = (made / 'README.md').read_text()
    assert readme.startswith('# Web Store\n')
    assert '$' not in readme
    assert 'template' not in (made / 'coordinator-charm/charmcraft.yaml').read_text()
    for path in new_charm.LEFT_OUT:
        assert not (made / path).exists() or path in ('README.md', 'CHANGELOG.md')


def test_links_of_the_readme_lead_somewhere(made):
    for target in new_charm.re.findall(r'\]\(([^)#]+)\)', (made / 'README.md').read_text()):
        assert (made / target).exists(), target


def test_it_is_a_repository_that_begins_with_the_reference(place):
    commit = new_charm.make(NAMES, place)
    assert git(place, 'branch', '--format=%(refname:short)').split() == ['main', 'reference']
    assert git(place, 'status', '--porcelain') == ''
    assert commit in git(place, 'log', '--format=%s', 'reference')
    assert (place / 'tests/localjuju/bin/juju').stat().st_mode & 0o111
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_an_existing_folder_is_never_overwritten(place):
    place.mkdir()
    (place / 'mine').write_text('precious')
    with pytest.raises(Error, match=f'{place} exists, and nothing is ever overwritten'):
        new_charm.make(NAMES, place)
    assert [path.name for path in place.iterdir()] == ['mine']


def test_nothing_is_written_into_this_repository():
    with pytest.raises(Error, match='is inside this repository'):
        new_charm.make(NAMES, new_charm.ROOT / 'docs' / 'new')


def test_what_fails_leaves_nothing_behind(place, monkeypatch):
    monkeypatch.setattr(new_charm, '_commit', lambda *_: (_ for _ in ()).throw(Error('no')))
    with pytest.raises(Error):
        new_charm.make(NAMES, place)
    assert list(place.parent.iterdir()) == []


def test_it_follows_the_reference_and_keeps_what_its_author_did(place, monkeypatch):
    new_charm.make(NAMES, place)
    author = ('-c', 'user.name=author', '-c', 'user.email=author@localhost')
    (place / 'docs/flows.md').write_text('mine\n')
    git(place, *author, 'commit', '-qam', 'Mine')

    def as_of_tomorrow(path, content, names):
        path, content = renamed(path, content, names)
        return path, content + b'better\n' if path == 'docs/reference.md' else content

    monkeypatch.setattr(new_charm, 'renamed', as_of_tomorrow)
    new_charm.update(place)
    assert git(place, 'status', '--porcelain') == ''
    git(place, *author, 'merge', '-q', '-m', 'Follow', 'reference')
    assert (place / 'docs/flows.md').read_text() == 'mine\n'
    assert (place / 'docs/reference.md').read_text().endswith('better\n')


def test_a_pair_with_further_roles_follows_with_all_of_them(place):
    new_charm.make(Names('webstore', ('edge', 'store', 'ruler')), place)
    new_charm.update(place)
    assert git(place, 'diff', 'main', 'reference') == ''
    assert 'role-ruler:' in git(place, 'show', 'reference:worker-charm/charmcraft.yaml')


def test_only_what_was_made_here_can_follow(tmp_path):
    with pytest.raises(Error, match='was not made by make new-charm'):
        new_charm.update(tmp_path)


def test_the_command_line_says_what_is_wrong_and_fails(capsys):
    assert new_charm.main(['--name=x']) == 1
    assert 'new-charm: DEST: missing' in capsys.readouterr().err


def test_the_tutorial_puts_in_what_a_test_puts_in():
    """Its commands are those of tests/template, which runs them."""
    tutorial = (new_charm.ROOT / 'docs' / 'tutorial.md').read_text()
    second = (new_charm.ROOT / 'tests' / 'template' / 'test_second_workloads.py').read_text()
    [removed] = re.findall(r'^git rm -rq (.*)$', tutorial, re.MULTILINE)
    assert all(f"'{path}'" in second for path in removed.split())
    for path in re.findall(r'REFERENCE/([\w/.]+?)/?\.?(?=\s)', tutorial):
        assert (new_charm.ROOT / path).exists(), path
    assert "Second('caddy', 'webstore', ('edge', 'store')" in second
