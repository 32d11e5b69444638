//! The contracts' interfaces, as far as they are called here.

alloy::sol! {
    contract Aggregator {
        constructor(uint8 decimals_);
        function push(int256 answer, uint64 updatedAt) external;
        function pushAll(int256[] answers, uint64[] times) external;
    }
    contract FeedProxy {
        constructor(address first);
        function turnTo(address next) external;
    }
    contract OnChainArt {
        constructor();
        function mint(uint256 tokenId, string colour) external;
        function mintAll(uint256 from, uint256 to, string colour) external;
        function refresh(uint256 from, uint256 to) external;
        function repaint(uint256 tokenId, string colour) external;
        function tokenIdToHash(uint256 tokenId) external view returns (bytes32);
    }
    contract LiveToken {
        constructor(address feed_, string base_, string collection_, uint256 supply_, int16 lowest_, int256[] edges_);
        function bands() external view returns (int16[] state);
        function image(uint256 tokenId) external view returns (string);
        function tokenURI(uint256 tokenId) external view returns (string);
        function renderKey(bytes32 style, uint256 tokenId, uint8 painter, uint256 variant) external view returns (bytes32);
        function announce() external;
        event BatchMetadataUpdate(uint256 _fromTokenId, uint256 _toTokenId);
    }
}
