# Runs SAM CLI with its log read line by line. SAM sees that a call is over when a
# REPORT line begins what it reads of a container's log, or follows one other line
# (samcli/local/docker/container.py, _handle_data_writing, 1.170.0). A quick call's
# START, END and REPORT come in one piece, and its answer waits a second in vain.
from samcli.cli.main import cli
from samcli.local.docker.container import Container

whole = Container._handle_data_writing


def by_line(stream, data, event):
    for line in data.splitlines(keepends=True):
        whole(stream, line, event)


Container._handle_data_writing = staticmethod(by_line)
cli(prog_name="sam")
