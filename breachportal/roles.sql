-- Database roles, run as a superuser inside the portal's database; running it again changes nothing.
-- What each role may touch is granted by the migrations. Passwords, where they are needed, are set apart.

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['breachportal_owner', 'breachportal_web', 'breachportal_worker'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I', role_name);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION', role_name
        );
    END LOOP;
    EXECUTE format('ALTER DATABASE %I OWNER TO breachportal_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO breachportal_web, breachportal_worker', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO breachportal_worker', current_database());
END
$$;

-- Migrations create what the worker owns by SET ROLE, and hold none of its rights otherwise.
GRANT breachportal_worker TO breachportal_owner WITH INHERIT FALSE, SET TRUE;

ALTER SCHEMA public OWNER TO breachportal_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO breachportal_web, breachportal_worker;

-- Members, contacts and links: the web role cannot even name them.
CREATE SCHEMA IF NOT EXISTS members AUTHORIZATION breachportal_worker;
ALTER SCHEMA members OWNER TO breachportal_worker;
REVOKE ALL ON SCHEMA members FROM PUBLIC, breachportal_web;
GRANT USAGE ON SCHEMA members TO breachportal_owner;
