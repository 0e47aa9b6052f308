-- How a report's rows become the lines of a file; include/db/copy.py fills in the cells and the query.
COPY (SELECT {cells} FROM ({query}) AS report) TO STDOUT WITH (FORMAT csv, ENCODING 'UTF8')
