-- Makes the user and the database of the telemetry API in PostgreSQL.
-- For psql, as administrator, with the password in the variable "password".
\set ON_ERROR_STOP on

CREATE ROLE telemetry LOGIN PASSWORD :'password';

-- The owner makes the tables. UTF8 whatever the other databases have, so that
-- every text that a client sends can be stored.
CREATE DATABASE telemetry
    OWNER telemetry
    ENCODING 'UTF8'
    TEMPLATE template0;
