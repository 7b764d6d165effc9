"""Reports: what changed and what it means for one reader's run, made from the ranking and sent once.

Reading order: report (the value), given and shown (what it is made from), compose with subject, answer, changes and
medians (how it follows), language and lines (its words); mail_page, plain, markdown, chart (its forms), maker (one
report in all of them); subscription, destinations, alerts (what readers ask for), keeping (as it is kept and told);
desk (whose time has come), courier (the outbox), outgoing, senders, mail, chats, files, bucket, addresses (the ways
out), sealing (secrets), opening (all of it put together); feed.
"""
