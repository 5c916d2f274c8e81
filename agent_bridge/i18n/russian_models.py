"""The texts about programs that speak the OpenAI API, in Russian."""

from __future__ import annotations

from agent_bridge.i18n.model_texts import ModelTexts

RUSSIAN_MODELS = ModelTexts(
    thread="💬 Программа *{program}* (*{by}*) говорит с *{target}* в этой ветке.",
    thread_with_person=(
        "💬 Программа *{program}* (*{by}*) задаёт вам вопросы в этой ветке. Ответ — ваше следующее сообщение в ветке "
        "или ответ на вопрос."
    ),
    asks="Программа (*{by}*) спрашивает:",
    on=(
        "Теперь программы могут задавать вам вопросы — в чате со мной или со своими агентами. Все, у кого есть токен, "
        "видят ваш идентификатор в своём списке. `{prefix} reachable off` отменит это."
    ),
    off="Программы больше не задают вам вопросов. `{prefix} reachable on` вернёт это.",
    is_on="Программы могут задавать вам вопросы. `{prefix} reachable off` запретит это.",
    is_off="Программы не могут задавать вам вопросы. `{prefix} reachable on` разрешит это.",
)
