"""Role × URL × method → status, for every URL the resolver knows (I13). Change it with the URLs, in the same commit.

`in` is a redirect to the sign-in page. Unseen is 404, not allowed is 403; a stranger gets `in` on pages and 401 in the
API. A method without a line is 405. What stands in braces is made by `scene.py`: `approval`, `call` and `run` are the
writer's and wait for finance, `step` is that run's first, whose state and `artifact` are personal; `asked` is a call of
the writer that Felix wants changed, the customer of `marked_call` is personal, and `data_class_rule` is of its process.
`halt`, `budget` and `rate` are on the writer, `mesh_halt` and `mesh_budget` on everything, `wide_halt` is on its
process and so is `lifting_halt`, which Priya wants lifted; `rule` watches the writer and `drill` tries it, `run_hold`
holds a run of it. `look` is at what Felix approved, `external` is a request of the writer from outside, `returned` one
that Felix wants changed and `consented` one that he approved, `held` one that Dana approved just now. `token` is
Dana's, and so are `snoozed`, `saved_view`, `selection`, `channel` and `bulk`, which still runs. `process` is the
writer's, `limit` a line of its table, `endpoint` that of its system in the sandbox, which does not answer; `delegation`
is from Dana to Felix, `timed_run` is a run of the writer that may take an hour. `policy_draft` raises a limit of the
process, `policy_replay` is of it and waits for a worker, `policy_review` waits for the same in staging, where nobody
reviewed `policy_emergency` in time; version 2 of the process's policies decides in the sandbox, and `policy_exception`
is for another agent of it than the writer. `retention_rule` is of the process, `legal_hold` is on a run of the writer,
`ended_run` is one that says something still and `carried_run` one whose call was carried out; `run_replay`, of that,
waits for a worker. `script` is Dana's personal token, `ungoverned` an action of the writer, which told of `told_step`
in `told_run`.
"""

from dataclasses import dataclass

ROLES = ("stranger", "dana", "carla", "omar", "chen", "priya", "alex", "otto", "writer", "payer", "script")
AGENTS = ("writer", "payer")
TO_SIGN_IN = "in"

TABLE = """
#                                             stranger  dana carla  omar  chen priya  alex  otto  writer payer  script
GET    /healthz                                    200   200   200   200   200   200   200   200     200   200     200
GET    /readyz                                     503   503   503   503   503   503   503   503     503   503     503

GET    /                                           302   302   302   302   302   302   302   302     302   302     302
GET    /accounts/login/                            200   302   302   302   302   302   302   302     200   200     200
POST   /accounts/login/                            302   302   302   302   302   302   302   302     302   302     302
POST   /accounts/logout/                            in    in    in    in    in    in    in    in      in    in      in
GET    /accounts/reauthenticate/                    in   200   200   200   200   200   200   200      in    in      in
POST   /accounts/reauthenticate/                    in   302   302   302   302   302   302   302      in    in      in
POST   /accounts/demo/                             302   302   302   302   302   302   302   302     302   302     302

GET    /inbox/                                      in   200   200   200   200   200   200   200      in    in      in
GET    /inbox/hygiene/                              in   200   200   200   200   200   200   200      in    in      in
GET    /inbox/hygiene/?process=order-to-cash        in   404   404   200   200   200   200   404      in    in      in
GET    /inbox/second-looks/                         in   200   200   200   200   200   200   200      in    in      in
GET    /inbox/second-looks/{look}/                  in   200   403   403   403   403   403   404      in    in      in
POST   /inbox/second-looks/{look}/opinion/          in   302   403   403   403   403   403   404      in    in      in
GET    /inbox/export.csv                            in   200   200   200   200   200   200   200      in    in      in
GET    /inbox/filter/                               in   200   200   200   200   200   200   200      in    in      in
GET    /inbox/views/                                in   200   200   200   200   200   200   200      in    in      in
POST   /inbox/views/                                in   302   302   302   302   302   302   302      in    in      in
POST   /inbox/views/{saved_view}/delete/            in   302   404   404   404   404   404   404      in    in      in
POST   /inbox/selection/                            in   302   302   302   302   302   302   302      in    in      in
POST   /inbox/selection/{selection}/vote/           in   302   404   404   404   404   404   404      in    in      in
GET    /inbox/bulk/{bulk}/                          in   200   404   404   404   404   404   404      in    in      in
POST   /inbox/bulk/{bulk}/cancel/                   in   302   404   404   404   404   404   404      in    in      in
POST   /inbox/bulk/{bulk}/undo/                     in   302   404   404   404   404   404   404      in    in      in
GET    /inbox/{approval}/                           in   200   200   200   200   200   200   404      in    in      in
POST   /inbox/{approval}/vote/                      in   302   403   403   403   403   403   404      in    in      in
GET    /inbox/{approval}/confirm/                   in   200   403   403   403   403   403   404      in    in      in
POST   /inbox/{held}/undo/                          in   302   403   403   403   403   403   404      in    in      in
POST   /inbox/{approval}/delegate/                  in   302   403   403   403   403   403   404      in    in      in
POST   /inbox/{approval}/snooze/                    in   302   302   302   302   302   302   404      in    in      in
POST   /inbox/{snoozed}/unsnooze/                   in   302   404   404   404   404   404   404      in    in      in
POST   /inbox/{approval}/escalate/                  in   302   403   403   403   403   403   404      in    in      in
POST   /inbox/{approval}/extend/                    in   302   403   403   403   302   302   404      in    in      in
GET    /inbox/{approval}/edit/                      in   200   403   403   403   403   403   404      in    in      in
POST   /inbox/{approval}/edit/                      in   302   403   403   403   403   403   404      in    in      in
GET    /runs/                                       in   200   200   200   200   200   200   200      in    in      in
GET    /runs/export.csv                             in   200   200   200   200   200   200   200      in    in      in
GET    /runs/compare/?a={run}                       in   200   200   200   200   200   200   404      in    in      in
GET    /runs/compare/?a={run}&b={told_run}          in   200   200   200   200   200   200   404      in    in      in
GET    /runs/{run}/                                 in   200   200   200   200   200   200   404      in    in      in
GET    /runs/{run}/story.txt                        in   200   200   200   200   200   200   404      in    in      in
GET    /runs/{run}/timeline.json                    in   200   200   200   200   200   200   404      in    in      in
GET    /runs/{run}/timeline-file.csv                in   200   200   200   200   200   200   404      in    in      in
GET    /runs/{run}/timeline-file.otlp.json          in   200   200   200   200   200   200   404      in    in      in
GET    /runs/{run}/steps/{step}/                    in   200   200   200   200   200   200   404      in    in      in
GET    /runs/{told_run}/steps/{told_step}/reveal/    in   403   403   403   200   200   403   404      in    in      in
POST   /runs/{told_run}/steps/{told_step}/reveal/    in   403   403   403   200   200   403   404      in    in      in
POST   /runs/{timed_run}/extend/                    in   403   403   403   403   302   403   404      in    in      in
GET    /runs/{done_run}/unwind/                     in   200   200   200   200   200   200   404      in    in      in
POST   /runs/{done_run}/unwind/                     in   403   403   302   403   302   403   404      in    in      in
POST   /runs/{done_run}/unwind/{done_call}/         in   403   403   302   403   302   403   404      in    in      in
GET    /runs/{run}/state/                           in   200   200   200   200   200   200   404      in    in      in
GET    /runs/{run}/state/reveal/                    in   403   403   403   200   200   403   404      in    in      in
POST   /runs/{run}/state/reveal/                    in   403   403   403   200   409   403   404      in    in      in
GET    /runs/{run}/artifacts/{artifact}/            in   403   403   200   403   200   403   404      in    in      in
GET    /runs/{run}/artifacts/{artifact}/reveal/     in   403   403   403   200   200   403   404      in    in      in
POST   /runs/{run}/artifacts/{artifact}/reveal/     in   403   403   403   200   409   403   404      in    in      in
GET    /runs/{carried_run}/replays/                 in   200   200   200   200   200   200   404      in    in      in
POST   /runs/{carried_run}/replays/                 in   403   403   302   403   302   302   404      in    in      in
GET    /runs/{carried_run}/replays/{run_replay}/    in   200   200   200   200   200   200   404      in    in      in
POST   /runs/{carried_run}/replays/{run_replay}/cancel/ in 403 403 302 403 302 302 404 in in in
GET    /unknown/                                    in   200   200   200   200   200   200   200      in    in      in
GET    /unknown/{unknown}/                          in   200   200   200   200   200   200   404      in    in      in
POST   /unknown/{unknown}/resolve/                  in   403   403   302   403   302   403   404      in    in      in
GET    /ungoverned/                                 in   200   200   200   200   200   200   200      in    in      in
GET    /ungoverned/{ungoverned}/                    in   200   200   200   200   200   200   404      in    in      in
POST   /ungoverned/{ungoverned}/acknowledge/        in   403   403   302   403   302   403   404      in    in      in
GET    /agents/                                     in   200   200   200   200   200   200   200      in    in      in
GET    /audit/                                      in   200   200   200   200   200   200   200      in    in      in
GET    /calls/{marked_call}/reveal/                  in   403   403   403   200   200   403   404      in    in      in
POST   /calls/{marked_call}/reveal/                  in   403   403   403   200   409   403   404      in    in      in
GET    /connectors/                                 in   200   200   200   200   200   200   200      in    in      in
POST   /connectors/{endpoint}/reset/                in   403   403   302   403   302   403   404      in    in      in
GET    /budgets/                                    in   200   200   200   200   200   200   200      in    in      in
POST   /budgets/                                    in   403   403   403   403   302   403   422      in    in      in
GET    /budgets/new/                                in   200   200   200   200   200   200   200      in    in      in
POST   /budgets/rates/                              in   403   403   403   403   302   403   422      in    in      in
GET    /budgets/rates/new/                          in   200   200   200   200   200   200   200      in    in      in
GET    /budgets/rates/{rate}/                       in   200   200   200   200   200   200   404      in    in      in
POST   /budgets/rates/{rate}/end/                   in   403   403   403   403   302   403   404      in    in      in
GET    /budgets/{budget}/                           in   200   200   200   200   200   200   404      in    in      in
GET    /budgets/{mesh_budget}/                      in   200   200   200   200   200   200   404      in    in      in
POST   /budgets/{budget}/end/                       in   403   403   403   403   302   403   404      in    in      in
POST   /budgets/{mesh_budget}/end/                  in   403   403   403   403   403   403   404      in    in      in
POST   /budgets/holds/{run_hold}/release/           in   403   403   302   403   302   403   404      in    in      in
GET    /halts/                                      in   200   200   200   200   200   200   200      in    in      in
POST   /halts/                                      in   403   403   302   403   302   403   404      in    in      in
GET    /halts/new/                                  in   200   200   200   200   200   200   200      in    in      in
GET    /halts/new/?scope=agent:writer               in   200   200   200   200   200   200   404      in    in      in
GET    /halts/{halt}/                               in   200   200   200   200   200   200   404      in    in      in
GET    /halts/{mesh_halt}/                          in   200   200   200   200   200   200   200      in    in      in
POST   /halts/{halt}/lift/                          in   403   403   302   403   302   403   404      in    in      in
POST   /halts/{mesh_halt}/lift/                     in   403   403   403   403   403   403   403      in    in      in
GET    /halts/touched/                              in   200   200   200   200   200   200   200      in    in      in
GET    /halts/touched/?scope=agent:writer           in   200   200   200   200   200   200   404      in    in      in
POST   /halts/{wide_halt}/lift/                     in   403   403   302   403   302   403   404      in    in      in
POST   /halts/{lifting_halt}/hold/                  in   403   403   302   403   302   403   404      in    in      in
GET    /halts/rules/                                in   200   200   200   200   200   200   200      in    in      in
POST   /halts/rules/                                in   403   403   403   403   302   403   404      in    in      in
POST   /halts/rules/{rule}/retire/                  in   403   403   403   403   302   403   404      in    in      in
GET    /halts/drills/                               in   200   200   200   200   200   200   200      in    in      in
POST   /halts/drills/                               in   403   403   302   403   302   403   404      in    in      in
POST   /halts/drills/{drill}/cancel/                in   403   403   302   403   302   403   404      in    in      in
GET    /retention/                                  in   200   200   200   200   200   200   200      in    in      in
POST   /retention/                                  in   403   403   403   302   302   403   403      in    in      in
POST   /retention/{retention_rule}/end/             in   403   403   403   302   302   403   404      in    in      in
POST   /retention/holds/                            in   403   403   403   302   302   403   404      in    in      in
POST   /retention/holds/{legal_hold}/lift/          in   403   403   403   302   302   403   404      in    in      in
POST   /runs/{ended_run}/erase/                     in   403   403   403   302   302   403   404      in    in      in
GET    /settings/                                   in   200   200   200   200   200   200   200      in    in      in
GET    /settings/absence/                           in   200   200   200   200   200   200   200      in    in      in
POST   /settings/absence/                           in   303   303   403   403   403   403   403      in    in      in
POST   /settings/absence/{delegation}/end/          in   303   404   404   404   404   404   404      in    in      in
GET    /settings/approvals/{process}/               in   200   200   200   200   200   200   404      in    in      in
POST   /settings/approvals/{process}/               in   403   403   403   403   303   403   404      in    in      in
POST   /settings/approvals/{process}/limits/        in   403   403   403   403   303   403   404      in    in      in
POST   /settings/limits/{limit}/end/                in   403   403   403   403   303   403   404      in    in      in
GET    /notifications/                              in   200   200   200   200   200   200   200      in    in      in
POST   /notifications/read/                         in   302   302   302   302   302   302   302      in    in      in
GET    /settings/notifications/                     in   200   200   200   200   200   200   200      in    in      in
POST   /settings/notifications/preferences/         in   302   302   302   302   302   302   302      in    in      in
POST   /settings/notifications/channels/            in   302   302   302   302   302   302   302      in    in      in
POST   /settings/notifications/channels/{channel}/test/ in 302 404 404 404 404 404 404 in in in
POST   /settings/notifications/channels/{channel}/retry/ in 302 404 404 404 404 404 404 in in in
POST   /settings/notifications/channels/{channel}/switch/ in 302 404 404 404 404 404 404 in in in
POST   /settings/notifications/channels/{channel}/remove/ in 302 404 404 404 404 404 404 in in in

GET    /policies/                                     in   200   200   200   200   200   200   200    in    in    in
GET    /policies/{process}/                           in   200   200   200   200   200   200   404    in    in    in
GET    /policies/{process}/diff/                      in   200   200   200   200   200   200   404    in    in    in
GET    /calls/{call}/decisions/                       in   200   200   200   200   200   200   404    in    in    in
GET    /policies/{process}/access/                    in   200   200   200   200   200   200   404    in    in    in
GET    /policies/{process}/access.csv                 in   200   200   200   200   200   200   404    in    in    in
GET    /agents/writer/access/                         in   200   200   200   200   200   200   404    in    in    in
GET    /agents/writer/access.csv                      in   200   200   200   200   200   200   404    in    in    in
GET    /policies/{process}/versions/1/                in   200   200   200   200   200   200   404    in    in    in
GET    /policies/{process}/versions/1/decisions/      in   200   200   200   200   200   200   404    in    in    in
GET    /policies/drafts/{policy_draft}/               in   200   200   200   200   200   200   404    in    in    in
GET    /policies/drafts/{policy_draft}/cases/         in   200   200   200   200   200   200   404    in    in    in
GET    /policies/reviews/{policy_review}/             in   200   200   200   200   200   200   404    in    in    in
GET    /policies/replays/{policy_replay}/             in   200   200   200   200   200   200   404    in    in    in
GET    /policies/replays/{policy_replay}/decisions/   in   200   200   200   200   200   200   404    in    in    in
POST   /policies/drafts/{policy_draft}/replay/        in   403   403   403   403   302   302   404    in    in    in
POST   /policies/drafts/{policy_draft}/shadow/        in   403   403   403   403   302   302   404    in    in    in
POST   /policies/replays/{policy_replay}/cancel/      in   403   403   403   403   302   302   404    in    in    in
POST   /policies/{process}/versions/1/replay/         in   403   403   403   403   302   302   404    in    in    in
POST   /policies/drafts/{policy_draft}/check/         in   200   200   200   200   200   200   404    in    in    in
POST   /policies/{process}/drafts/                    in   403   403   403   403   302   302   404    in    in    in
POST   /policies/drafts/{policy_draft}/               in   403   403   403   403   302   302   404    in    in    in
POST   /policies/drafts/{policy_draft}/add-cases/     in   403   403   403   403   302   302   404    in    in    in
POST   /policies/drafts/{policy_draft}/discard/       in   403   403   403   403   302   302   404    in    in    in
POST   /policies/drafts/{policy_draft}/rebase/        in   403   403   403   403   302   302   404    in    in    in
POST   /policies/drafts/{policy_draft}/send/          in   403   403   403   403   302   302   404    in    in    in
POST   /policies/reviews/{policy_review}/withdraw/    in   403   403   403   403   302   302   404    in    in    in
POST   /policies/{process}/recover/                 in   403   403   409   403   409   409   404    in    in    in
POST   /policies/{process}/versions/2/promote/    in   403   403   403   403   302   302   404    in    in    in
POST   /policies/{process}/versions/1/roll-back/      in   403   403   403   403   302   302   404    in    in    in
POST   /policies/drafts/{policy_draft}/release-alone/ in   403   403   403   403   302   403   404    in    in    in
POST   /policies/{process}/versions/1/roll-back-alone/ in  403   403   403   403   302   403   404    in    in    in
POST   /policies/reviews/{policy_emergency}/take-back/ in  403   403   302   403   302   403   404    in    in    in
POST   /policies/reviews/{policy_emergency}/ask-again/ in  403   403   403   403   302   302   404    in    in    in
GET    /policies/{process}/exceptions/               in   200   200   200   200   200   200   404    in    in    in
POST   /policies/{process}/exceptions/               in   403   403   403   403   302   302   404    in    in    in
GET    /policies/exceptions/{policy_exception}/      in   200   200   200   200   200   200   404    in    in    in
POST   /policies/exceptions/{policy_exception}/revoke/ in  302   302   302   403   302   302   404    in    in    in

GET    /api/schema/                                200   200   200   200   200   200   200   200     200   200     200
POST   /oauth/token                                200   200   200   200   200   200   200   200     200   200     200

GET    /api/v1/tool-calls                          401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/tool-calls                          401   403   403   403   403   403   403   403     202   404     403
GET    /api/v1/tool-calls/{call}                   401   202   202   202   202   202   202   404     202   404     202
POST   /api/v1/tool-calls/{asked}/versions         401   403   403   403   403   403   403   403     202   404     403
POST   /api/v1/tool-calls/{call}/cancel            401   403   403   403   403   403   403   403     200   404     403
POST   /api/v1/tool-calls/{marked_call}/reveal     401   403   403   403   200   409   403   404     403   403     403
GET    /api/v1/data-class-rules                    401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/data-class-rules                    401   403   403   403   403   200   403   422     403   403     403
DELETE /api/v1/data-class-rules/{data_class_rule}  401   403   403   403   403   204   403   404     403   403     403
GET    /api/v1/connectors                          401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/connectors/{endpoint}/reset         401   403   403   204   403   204   403   404     403   403     403
POST   /api/v1/tool-calls/{unknown}/resolution     401   403   403   201   403   201   403   404     403   403     403
POST   /v1/traces                                  401   403   403   403   403   403   403   403     200   200     403
GET    /api/v1/model-prices                        401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/model-prices                        401   403   403   403   403   403   403   403     403   403     403
GET    /api/v1/ungoverned-actions                  401   200   200   200   200   200   200   200     403   403     200
GET    /api/v1/ungoverned-actions/{ungoverned}     401   200   200   200   200   200   200   404     403   403     200
POST   /api/v1/ungoverned-actions/{ungoverned}/acknowledge 401 403 403 200 403 200 403 404 403 403 403
GET    /api/v1/unknown-outcomes                    401   200   200   200   200   200   200   200     403   403     200
GET    /api/v1/unknown-outcomes/{unknown}          401   200   200   200   200   200   200   404     403   403     200
GET    /api/v1/runs/{done_run}/unwind              401   200   200   200   200   200   200   404     200   404     200
POST   /api/v1/runs/{timed_run}/extend             401   403   403   403   403   200   403   404     403   403     403
GET    /api/v1/runs/{carried_run}/replays          401   200   200   200   200   200   200   404     403   403     200
POST   /api/v1/runs/{carried_run}/replays          401   403   403   202   403   202   202   404     403   403     403
GET    /api/v1/runs/{carried_run}/replays/{run_replay} 401 200 200 200 200 200 200 404 403 403 200
POST   /api/v1/runs/{carried_run}/replays/{run_replay}/cancel 401 403 403 200 403 200 200 404 403 403 403
POST   /api/v1/runs/{done_run}/unwind              401   403   403   202   403   202   403   404     202   404     403
POST   /api/v1/tool-calls/{done_call}/compensate   401   403   403   200   403   200   403   404     200   404     403
POST   /api/v1/authorize                           401   403   403   403   403   403   403   403     200   404     403
GET    /api/v1/runs                                401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/runs                                401   403   403   403   403   403   403   403     201   201     403
GET    /api/v1/runs/{run}/state                    401   200   200   200   200   200   200   404     200   404     200
PUT    /api/v1/runs/{run}/state                    401   403   403   403   403   403   403   403     200   404     403
POST   /api/v1/runs/{run}/state/reveal             401   403   403   403   200   409   403   404     403   403     403
GET    /api/v1/runs/{run}/state/versions           401   200   200   200   200   200   200   404     200   404     200
GET    /api/v1/runs/{run}/state/versions/1         401   200   200   200   200   200   200   404     200   404     200
GET    /api/v1/runs/{run}/artifacts                401   200   200   200   200   200   200   404     200   404     200
POST   /api/v1/runs/{run}/artifacts?name=new.json  401   403   403   403   403   403   403   403     201   404     403
GET    /api/v1/runs/{run}/artifacts/{artifact}     401   200   200   200   200   200   200   404     200   404     200
GET    /api/v1/runs/{run}/artifacts/{artifact}/content 401 403   403   200   403   200   403   404     200   404     403
POST   /api/v1/runs/{run}/artifacts/{artifact}/reveal  401 403   403   403   200   409   403   404     403   403     403
GET    /api/v1/retention-rules                     401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/retention-rules                     401   403   403   403   200   200   403   422     403   403     403
DELETE /api/v1/retention-rules/{retention_rule}    401   403   403   403   204   204   403   404     403   403     403
GET    /api/v1/legal-holds                         401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/legal-holds                         401   403   403   403   201   201   403   404     403   403     403
POST   /api/v1/legal-holds/{legal_hold}/lift       401   403   403   403   200   200   403   404     403   403     403
POST   /api/v1/runs/{ended_run}/erase              401   403   403   403   200   200   403   404     403   403     403
GET    /api/v1/runs/compare?a={run}&b={told_run}   401   200   200   200   200   200   200   404     200   404     200
GET    /api/v1/runs/{run}/story                    401   200   200   200   200   200   200   404     200   404     200
GET    /api/v1/runs/{run}/steps                    401   200   200   200   200   200   200   404     200   404     200
GET    /api/v1/runs/{told_run}/steps/{told_step}   401   200   200   200   200   200   200   404     200   404     200
POST   /api/v1/runs/{told_run}/steps/{told_step}/reveal 401 403 403 403   200   200   403   404     403   403     403
GET    /api/v1/runs/{run}                          401   200   200   200   200   200   200   404     200   404     200
PATCH  /api/v1/runs/{run}                          401   403   403   403   403   403   403   404     200   404     403
GET    /api/v1/approvals                           401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/approvals                           401   403   403   403   403   403   403   403     201   201     403
GET    /api/v1/approvals/{approval}                401   200   200   200   200   200   200   404     404   404     200
POST   /api/v1/approvals/{approval}/votes          401   201   403   403   403   403   403   404     404   404     201
POST   /api/v1/approvals/{approval}/edits          401   201   403   403   403   403   403   404     404   404     201
GET    /api/v1/external-approvals/{external}       401   200   200   200   200   200   200   404     200   404     200
POST   /api/v1/external-approvals/{returned}/versions 401 403   403   403   403   403   403   403     201   404     403
POST   /api/v1/external-approvals/{consented}/claim 401  403   403   403   403   403   403   403     200   404     403
POST   /api/v1/external-approvals/{external}/cancel 401  403   403   403   403   403   403   403     200   404     403
DELETE /api/v1/approvals/{held}/votes              401   200   403   403   403   403   403   404     404   404     200
POST   /api/v1/approvals/{approval}/escalate       401   201   403   403   403   403   403   404     404   404     201
POST   /api/v1/approvals/{approval}/extend         401   200   403   403   403   200   200   404     404   404     200
GET    /api/v1/second-looks                        401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/second-looks/{look}/opinion         401   201   403   403   403   403   403   404     404   404     201
POST   /api/v1/approvals/{approval}/snooze         401   200   200   200   200   200   200   404     403   403     200
DELETE /api/v1/approvals/{snoozed}/snooze          401   204   404   404   404   404   404   404     403   403     204
GET    /api/v1/approval-views                      401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/approval-views                      401   201   201   201   201   201   201   201     403   403     201
DELETE /api/v1/approval-views/{saved_view}         401   204   404   404   404   404   404   404     403   403     204
POST   /api/v1/approval-selections                 401   201   201   201   201   201   201   201     403   403     201
GET    /api/v1/approval-selections/{selection}     401   200   404   404   404   404   404   404     403   403     200
PATCH  /api/v1/approval-selections/{selection}     401   200   404   404   404   404   404   404     403   403     200
POST   /api/v1/approval-selections/{selection}/votes 401 200   404   404   404   404   404   404     403   403     200
GET    /api/v1/bulk-votes/{bulk}                   401   202   404   404   404   404   404   404     403   403     202
POST   /api/v1/bulk-votes/{bulk}/cancel            401   200   404   404   404   404   404   404     403   403     200
POST   /api/v1/bulk-votes/{bulk}/withdraw          401   200   404   404   404   404   404   404     403   403     200
GET    /api/v1/halts                               401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/halts                               401   403   403   201   403   201   403   404     403   403     403
GET    /api/v1/halts/{halt}                        401   200   200   200   200   200   200   404     200   404     200
GET    /api/v1/halts/{mesh_halt}                   401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/halts/{halt}/lift                   401   403   403   200   403   200   403   404     403   403     403
POST   /api/v1/halts/{mesh_halt}/lift              401   403   403   403   403   403   403   403     403   403     403
GET    /api/v1/budgets                             401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/budgets                             401   403   403   403   403   201   403   404     403   403     403
GET    /api/v1/budgets/{budget}                    401   200   200   200   200   200   200   404     200   404     200
GET    /api/v1/budgets/{mesh_budget}               401   200   200   200   200   200   200   404     200   200     200
POST   /api/v1/budgets/{budget}/end                401   403   403   403   403   200   403   404     403   403     403
POST   /api/v1/budgets/{mesh_budget}/end           401   403   403   403   403   403   403   404     403   403     403
GET    /api/v1/rates                               401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/rates                               401   403   403   403   403   201   403   404     403   403     403
POST   /api/v1/rates/{rate}/end                    401   403   403   403   403   200   403   404     403   403     403
POST   /api/v1/usage                               401   403   403   403   403   403   403   403     201   201     403
GET    /api/v1/run-holds                           401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/run-holds/{run_hold}/release        401   403   403   200   403   200   403   404     403   403     403
GET    /api/v1/halts/preview?scope=mesh&environment=production 401 200 200 200 200 200 200   200     403   403     200
POST   /api/v1/halts/{wide_halt}/lift              401   403   403   202   403   202   403   404     403   403     403
POST   /api/v1/halts/{lifting_halt}/hold           401   403   403   200   403   200   403   404     403   403     403
GET    /api/v1/halt-rules                          401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/halt-rules                          401   403   403   403   403   201   403   404     403   403     403
POST   /api/v1/halt-rules/{rule}/retire            401   403   403   403   403   200   403   404     403   403     403
GET    /api/v1/halt-drills                         401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/halt-drills                         401   403   403   201   403   201   403   404     403   403     403
POST   /api/v1/halt-drills/{drill}/cancel          401   403   403   200   403   200   403   404     403   403     403
GET    /api/v1/policies                              401   200   200   200   200   200   200   200   403   403   200
GET    /api/v1/policies/{process}/versions           401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/policies/{process}/versions/1         401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/policies/{process}/diff?from=0&to=1   401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/policy-drafts/{policy_draft}          401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/policy-drafts/{policy_draft}/boundary-cases 401 200 200 200 200 200 200 404 403 403 200
GET    /api/v1/policy-reviews/{policy_review}        401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/policy-replays                        401   200   200   200   200   200   200   200   403   403   200
GET    /api/v1/policy-replays/{policy_replay}        401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/policy-replays/{policy_replay}/decisions?kind=erased 401 200 200 200 200 200 200 404 403 403 200
POST   /api/v1/policy-drafts/{policy_draft}/replays  401   403   403   403   403   202   202   404   403   403   403
POST   /api/v1/policy-drafts/{policy_draft}/shadows  401   403   403   403   403   202   202   404   403   403   403
POST   /api/v1/policies/{process}/versions/1/replays 401   403   403   403   403   202   202   404   403   403   403
POST   /api/v1/policy-replays/{policy_replay}/cancel 401   403   403   403   403   200   200   404   403   403   403
POST   /api/v1/policies/{process}/drafts             401   403   403   403   403   201   201   404   403   403   403
PUT    /api/v1/policy-drafts/{policy_draft}          401   403   403   403   403   200   200   404   403   403   403
POST   /api/v1/policy-drafts/{policy_draft}/rebase   401   403   403   403   403   200   200   404   403   403   403
POST   /api/v1/policy-drafts/{policy_draft}/discard   401   403   403   403   403   200   200   404   403   403   403
POST   /api/v1/policy-drafts/{policy_draft}/send     401   403   403   403   403   202   202   404   403   403   403
POST   /api/v1/policy-reviews/{policy_review}/withdraw 401 403 403 403 403 200 200 404 403 403 403
POST   /api/v1/policies/{process}/recover          401   403   403   409   403   409   409   404   403   403   403
POST   /api/v1/policies/{process}/versions/2/promote   401   403   403   403   403   202   202   404   403   403   403
POST   /api/v1/policies/{process}/versions/1/roll-back 401 403 403 403 403 202 202 404 403 403 403
POST   /api/v1/policy-drafts/{policy_draft}/release-alone 401 403 403 403 403 201 403 404 403 403 403
POST   /api/v1/policies/{process}/versions/1/roll-back-alone 401 403 403 403 403 201 403 404 403 403 403
POST   /api/v1/policy-reviews/{policy_emergency}/take-back 401 403 403 201 403 201 403 404 403 403 403
POST   /api/v1/policy-reviews/{policy_emergency}/ask-again 401 403 403 403 403 202 202 404 403 403 403
GET    /api/v1/policies/{process}/exceptions           401   200   200   200   200   200   200   404   403   403   200
POST   /api/v1/policies/{process}/exceptions           401   403   403   403   403   202   202   404   403   403   403
GET    /api/v1/policy-exceptions/{policy_exception}    401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/policy-exceptions/{policy_exception}/uses 401 200 200 200 200 200 200 404 403 403 200
POST   /api/v1/policy-exceptions/{policy_exception}/revoke 401 200 200 200 403 200 200 404 403 403 200
GET    /api/v1/agents                              401   200   200   200   200   200   200   200     200   200     200
GET    /api/v1/agents/writer                       401   200   200   200   200   200   200   404     200   404     200
GET    /api/v1/agents/writer/access                401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/tool-calls/{call}/decisions         401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/policies/{process}/versions/1/decisions 401 200 200   200   200   200   200   404   403   403   200
GET    /api/v1/policies/{process}/access           401   200   200   200   200   200   200   404   403   403   200
GET    /api/v1/agents/payer                        401   404   404   404   404   404   404   404     404   200     404
GET    /api/v1/tools                               401   200   200   200   200   200   200   200     200   200     200
POST   /api/v1/tools/preview                       401   403   403   403   403   403   403   403     403   403     403
GET    /api/v1/tokens                              401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/tokens                              401   201   201   201   201   201   201   201     403   403     403
DELETE /api/v1/tokens/{token}                      401   204   404   404   404   404   404   404     403   403     403
GET    /api/v1/delegations                         401   200   200   200   200   200   200   200     403   403     200
POST   /api/v1/delegations                         401   201   201   403   403   403   403   403     403   403     201
POST   /api/v1/delegations/{delegation}/end        401   200   404   404   404   404   404   404     404   404     200
GET    /api/v1/processes/{process}/authority-limits 401   200   200   200   200   200   200   404     404   404     200
POST   /api/v1/processes/{process}/authority-limits 401   403   403   403   403   201   403   404     404   404     403
POST   /api/v1/authority-limits/{limit}/end        401   403   403   403   403   200   403   404     403   404     403
GET    /api/v1/processes/{process}/approval-rules 401   200   200   200   200   200   200   404     404   404     200
PATCH  /api/v1/processes/{process}/approval-rules 401   403   403   403   403   200   403   404     404   404     403
"""


@dataclass(frozen=True)
class Row:
    """One line: what each role gets for this method on this path."""

    method: str
    path: str
    answers: dict[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_act(self) -> bool:
        """Whether it is meant to change something."""
        return self.method != "GET"


def _row(line: str) -> Row:
    method, path, *answers = line.split()
    return Row(method, path, dict(zip(ROLES, answers, strict=True)))


ROWS = tuple(_row(line) for line in TABLE.splitlines() if line and not line.startswith("#"))
