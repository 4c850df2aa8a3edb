-- Makes {copies} further chats of the first one, each a minute older than the one before.

WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < {copies})
INSERT INTO session (id, project_id, slug, directory, path, title, version, agent, model, time_created, time_updated)
SELECT replace(id, 'ses_', printf('ses_%04d', n)), project_id, slug || n, directory, path, title || n, version, agent,
    model, time_created - n * 60000, time_updated - n * 60000
FROM session, copies WHERE session.id = '{first}';

WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < {copies})
INSERT INTO message (id, session_id, time_created, time_updated, data)
SELECT replace(id, 'msg_', printf('msg_%04d', n)), replace(session_id, 'ses_', printf('ses_%04d', n)),
    time_created - n * 60000, time_updated - n * 60000, replace(data, 'msg_', printf('msg_%04d', n))
FROM message, copies WHERE message.session_id = '{first}';

WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < {copies})
INSERT INTO part (id, message_id, session_id, time_created, time_updated, data)
SELECT replace(id, 'prt_', printf('prt_%04d', n)), replace(message_id, 'msg_', printf('msg_%04d', n)),
    replace(session_id, 'ses_', printf('ses_%04d', n)), time_created - n * 60000, time_updated - n * 60000, data
FROM part, copies WHERE part.session_id = '{first}';
