"""Reports: what changed and what it means for one reader's run, made from the ranking and sent once.

Reading order: report (the value), compose (how it is made), language (its words), mail_page, plain, chart (its forms);
subscription (who wants one, and when), alerts; sealing, addresses, destinations (ways out); desk (making and
delivering, together), feed.
"""
