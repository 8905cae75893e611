"""What hooks are told at rest is what the LAN sees: who is leading answers, and nobody else does."""

import pytest

from roost.model.role import Role
from roost.simulator.faults import draw
from roost.simulator.product import make_decider
from roost.simulator.world import World


@pytest.mark.parametrize("seed", range(700, 704))
def test_at_rest_who_leads_is_who_answers(seed: int) -> None:
    schedule = draw(seed, faults=8)
    world = World(schedule, make_decider, record=False)
    world.run_until(schedule.seconds)
    told = 0
    for host in world.hosts.values():
        process = host.process
        if process is None or not process.hands.may_answer():
            continue
        addresses = {each.name: each.ip for each in schedule.services}
        for name, role in process.hands.roles.items():
            answers = addresses[name] in process.hands.answering
            assert (role is Role.LEADING) == answers, f"{host.name}: {name} is {role.value}"
            told += answers
    assert told
