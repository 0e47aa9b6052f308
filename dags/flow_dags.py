"""One Airflow Dag per file of `dags/flows`: its tasks are the steps of the flow.

Each file is checked whole when Airflow reads it. A file with problems becomes a Dag of one task that shows
them, and removes no other flow.
"""

from include.orchestration.flow_dag import compile_flow
from include.orchestration.flow_files import read_flow_files

for flow in read_flow_files():
    compile_flow(flow)
