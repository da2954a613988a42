-- Makes the user and the database of the telemetry API in MariaDB.
-- For mariadb, as administrator, with the password in the variable @password.

-- utf8mb4 is all of Unicode. The older utf8 refuses emoji, for one.
CREATE DATABASE telemetry CHARACTER SET utf8mb4;

-- From any machine that reaches the server.
EXECUTE IMMEDIATE
    CONCAT('CREATE USER telemetry IDENTIFIED BY ', QUOTE(@password));

-- All in its own database, to make the tables, and nothing elsewhere.
GRANT ALL ON telemetry.* TO telemetry;
