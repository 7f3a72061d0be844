-- "Nexu": tells a database of ours from any other SQLite file.
PRAGMA application_id = 1315272821;
