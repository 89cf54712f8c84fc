from notifications.models.campaigns import (
    Campaign,
    CampaignKind,
    CampaignState,
    ListReach,
    Notice,
    NoticeVersion,
)
from notifications.models.outbox import (
    Channel,
    CrowdedAddress,
    DeliveryEvent,
    DispatchBatch,
    Kind,
    Notification,
    NotificationMember,
    State,
    Tally,
    Told,
)

__all__ = [
    "Campaign",
    "CampaignKind",
    "CampaignState",
    "Channel",
    "CrowdedAddress",
    "DeliveryEvent",
    "DispatchBatch",
    "Kind",
    "ListReach",
    "Notice",
    "NoticeVersion",
    "Notification",
    "NotificationMember",
    "State",
    "Tally",
    "Told",
]
