-- The step before has put them into blocks.
DROP TABLE messages;
